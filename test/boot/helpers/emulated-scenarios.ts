import type { ScenarioSource } from "#harness/scenario";

/** An emulated boot and how it has to end. */
export interface EmulatedCase {
  readonly name: string;
  readonly scenario: ScenarioSource;
  /** The failure class; a boot without one reaches login. */
  readonly class?: string;
}

const models = ["e1000", "rtl8139", "virtio", "e1000e", "vmxnet3"] as const;
const carriers = [
  { name: "BIOS-rom", uefi: false, carrier: "rom" },
  { name: "BIOS-acpi", uefi: false, carrier: "acpi" },
  { name: "UEFI-acpi", uefi: true, carrier: "acpi" },
] as const;

/** Every card, firmware and carrier that exist together: OVMF runs no ROM of a BIOS. */
export const everyCard: readonly EmulatedCase[] = models.flatMap((model) =>
  carriers.map(({ name, uefi, carrier }) => ({
    name: `${model}-${name}`,
    scenario: { nics: [{ model }], uefi, ibft: { carrier } },
  })),
);

const virtio = { model: "virtio" } as const;
/** The machine's second NIC, as the lab names it. */
const second = { mac: "52:54:00:5a:4e:02", pci: "00:03.0" } as const;
const first = { mac: "52:54:00:5a:4e:01", pci: "00:02.0" } as const;

const everythingAtOnce: EmulatedCase = {
  name: "four-nics-mutual-chap-second-target-vlan",
  scenario: {
    nics: [virtio, { model: "e1000" }, virtio, { model: "rtl8139" }],
    chap: "mutual",
    ibft: { nics: [{ hostname: "vm0.lab" }, {}, { vlan: 77 }, {}], targets: [{}, {}] },
  },
};
const ipv6: EmulatedCase = {
  name: "ipv6-uefi",
  scenario: { nics: [virtio], addresses: "ipv6", uefi: true },
};

export const everyTable: readonly EmulatedCase[] = [
  everythingAtOnce,
  ipv6,
  { name: "two-nics", scenario: { nics: [virtio, { model: "e1000" }] } },
  { name: "four-nics-uefi", scenario: { nics: [virtio, virtio, virtio, virtio], uefi: true } },
  { name: "chap-one-way", scenario: { nics: [virtio], chap: "one-way" } },
  { name: "chap-mutual-uefi", scenario: { nics: [virtio], chap: "mutual", uefi: true } },
  { name: "chap-mutual-tgt", scenario: { nics: [virtio], chap: "mutual", target: "tgt" } },
  { name: "tgt", scenario: { nics: [virtio], target: "tgt" } },
  { name: "rom-static", scenario: { nics: [virtio], ibft: { carrier: "rom-static" } } },
  { name: "edk2-layout", scenario: { nics: [virtio], ibft: { layout: "edk2" } } },
  { name: "second-target", scenario: { nics: [virtio, virtio], ibft: { targets: [{}, {}] } } },
  {
    // Linux does not mind what Windows punishes; windows-ways.test.ts has the other half.
    name: "sans-port-second",
    scenario: {
      nics: [virtio, virtio],
      ibft: {
        nics: [
          { ...second, ip: "10.77.1.100", prefix: 24 },
          { ...first, ip: "10.77.0.100", prefix: 24 },
        ],
        targets: [{ nic: 1 }],
      },
    },
  },
  // Linux from 5.6 on reads it; the lint warns.
  {
    name: "control-above-18",
    scenario: { nics: [virtio], ibft: { nics: [{}, second, { mac: "52:54:00:5a:4e:03", pci: "00:04.0" }] } },
  },
];

const checksum: EmulatedCase = {
  name: "wrong-checksum",
  scenario: { nics: [virtio], ibft: { quirks: { checksum: "wrong" } } },
  class: "IBFT-CHECKSUM",
};
const lowMemoryUefi: EmulatedCase = {
  name: "uefi-low-memory",
  scenario: { nics: [virtio], uefi: true, ibft: { carrier: "memory", address: 0x9_e000 } },
  class: "UEFI-IBFT-LOCATION",
};
const nicIndex: EmulatedCase = {
  name: "nic-index",
  scenario: { nics: [virtio, virtio], ibft: { quirks: { fields: { "nic1.index": 0 } } } },
  class: "IBFT-INDEX",
};
/** iscsistart tries for minutes. */
const patience = 150;

export const everyMistake: readonly EmulatedCase[] = [
  checksum,
  lowMemoryUefi,
  nicIndex,
  {
    name: "jumbled",
    scenario: {
      nics: [virtio, virtio],
      ibft: { quirks: {}, nics: [second, first] },
      timeout: patience,
    },
    class: "IBFT-JUMBLED",
  },
  {
    name: "below-512-KiB",
    scenario: { nics: [virtio], ibft: { address: 0x5_0000 } },
    class: "IBFT-LOCATION",
  },
  {
    name: "not-boot-selected",
    scenario: {
      nics: [virtio],
      ibft: { quirks: { fields: { "initiator.flags": 1, "nic0.flags": 1, "target0.flags": 1 } } },
    },
    class: "IBFT-FLAGS",
  },
  {
    name: "control-below-18",
    scenario: { nics: [virtio], ibft: { quirks: { fields: { "control.length": 17 } } } },
    class: "IBFT-CONTROL",
  },
  {
    name: "two-tables",
    scenario: { nics: [virtio], ibft: { targets: [{ ip: "10.77.0.9" }], also: [{}] }, timeout: patience },
    class: "IBFT-MULTIPLE",
  },
  {
    name: "guest-drives-the-disk",
    scenario: { guest: "debian-mini-ide", nics: [virtio], emulated: { controller: "ide" } },
    class: "FIRMWARE-DISK-USED",
  },
];

/** What CI boots, as different as can be. */
export const chosen: readonly EmulatedCase[] = [everythingAtOnce, ipv6, checksum, lowMemoryUefi, nicIndex];
