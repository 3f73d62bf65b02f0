import type { nicModels as models } from "#harness/scenario";

/** The scenario schema's own list, which its type enforces: asking there would load the whole laboratory for a line of help. */
export const nicModels: typeof models = ["e1000", "rtl8139", "virtio", "e1000e", "vmxnet3", "pcnet", "ne2k"];
