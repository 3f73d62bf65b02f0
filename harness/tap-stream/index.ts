/**
 * A TAP device: the host's end of a virtual Ethernet cable.
 *
 * `openTap` makes the device and gives its file descriptor, which is what QEMU is handed when the kernel's own network
 * stack shall be the other end. `TapStream` is the same device as a Duplex of Ethernet frames, for whoever wants to see
 * or change frames in user space: capture, frame faults, tests. Used by the network folder.
 *
 * The device lives as long as its descriptors: when the last holder ends, however it ends, the interface is gone. What
 * this folder never does: give addresses, set routes, or parse what is in a frame.
 */
export { openTap, TUN_DEVICE, type Tap, type TapOptions } from "./open-tap.ts";
export { TapStream, type TapStreamOptions, type TapStreamCounters } from "./tap-stream.ts";
export { systemCalls } from "./system-calls.ts";
