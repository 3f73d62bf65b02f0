import type { Severity } from "./model.ts";

export type LintProfile = "spec" | "windows" | "linux";

/**
 * Who suffers. all: no system boots; windows, linux: that one does not; reported: one operator's report about
 * Windows; frail: works, but may hurt; note: worth knowing.
 */
type Kind = "all" | "windows" | "linux" | "reported" | "frail" | "note";

const SEVERITY: Readonly<Record<Kind, Readonly<Record<LintProfile, Severity>>>> = {
  all: { spec: "fatal", windows: "fatal", linux: "fatal" },
  windows: { spec: "warning", windows: "fatal", linux: "info" },
  linux: { spec: "error", windows: "info", linux: "fatal" },
  reported: { spec: "info", windows: "warning", linux: "info" },
  frail: { spec: "warning", windows: "warning", linux: "warning" },
  note: { spec: "info", windows: "info", linux: "info" },
};

interface Rule {
  readonly kind: Kind;
  readonly advice: string;
  /** What Windows makes of a table that breaks the rule, where only Windows minds. */
  readonly windows?: string;
}

const rule = (kind: Kind, advice: string, windows?: string): Rule => ({
  kind,
  advice,
  ...(windows !== undefined && { windows }),
});

/** The rules by number. */
const RULES = {
  R01: rule("all", "Write the signature iBFT."),
  R02: rule("all", "Set the length field to the bytes of the whole table, strings included."),
  R03: rule("linux", "Set the revision to 1: Linux supports no other."),
  R04: rule("all", "Set the checksum byte at offset 9 so that all bytes sum up to 0 modulo 256."),
  R05: rule(
    "all",
    "On a BIOS, put the table on a 16-byte boundary from 0x80000 to 0xFFFFF; free base memory if it lies lower.",
  ),
  R06: rule("all", "Keep the table out of 0xA0000 to 0xBFFFF: systems skip the VGA window."),
  R07: rule("frail", "Put the table below 0xA0000 if sanbootconf is to find it."),
  R08: rule("frail", "Free base memory: iPXE needs some 14 kB that end above 512 kB."),
  R09: rule("all", "Under UEFI, install the table with ACPI: nothing scans low memory."),
  R10: rule(
    "all",
    "Update the firmware, or start iPXE on a BIOS: without that protocol it cannot publish a table.",
  ),
  R11: rule("frail", "Leave one table: systems take the first they find. Disable the other boot ROM."),
  R12: rule("note", "Fill in OEM and table id: systems choose quirks by them."),
  R13: rule("frail", "Set reserved bytes to zero."),
  R14: rule("all", "Put the control structure (id 1, version 1) right behind the 48-byte header."),
  R15: rule(
    "linux",
    "Make the control structure at least 18 bytes long; keep to 18 (two pairs) for Linux before 5.6 and ESXi.",
  ),
  R16: rule("linux", "Set the control structure's index to 0."),
  R17: rule("all", "Clear bit 0 of the control structure's flags."),
  R18: rule("frail", "Set it to 0 unless there is an extensions structure."),
  R19: rule("all", "Let the initiator offset lead to an initiator structure."),
  R20: rule("all", "Let each offset lead to a structure inside the table, or set it to 0 for none."),
  R21: rule("all", "The order of offsets is initiator, NIC 0, target 0, NIC 1, target 1, …"),
  R22: rule("frail", "Align structures to 16 bytes (8 at least)."),
  R23: rule("linux", "Set the length to 74 for the initiator, 102 for a NIC, 54 for a target."),
  R24: rule("frail", "Set the structure's version to 1."),
  R25: rule("note", "Linux reports and skips it; set the id right."),
  R26: rule("all", "Set bits 0 (valid) and 1 (boot selected) of the initiator's flags."),
  R27: rule("frail", "Set the initiator's index to 0."),
  R28: rule("all", "Give the initiator name that the firmware logged in with."),
  R29: rule("all", "Let the length leave the NUL out, and store a NUL behind the string."),
  R30: rule("all", "Keep strings inside the table and behind the structures."),
  R31: rule("frail", "Give each structure and string bytes of its own."),
  R32: rule(
    "all",
    "Keep names within 223 bytes; strings within 256 bytes in all where iPXE writes them on a BIOS.",
  ),
  R33: rule("all", "Set valid on each NIC in use and boot-selected on exactly one."),
  R34: rule(
    "linux",
    "Set boot-selected on the NIC and the target to boot from: dracut and open-iscsi use no other.",
  ),
  R35: rule("all", "Set each NIC's index to its position."),
  R36: rule(
    "reported",
    "Add a NIC structure (MAC, PCI location, index) for each port that Windows is to use.",
    "it does not start that NIC (Code 31)",
  ),
  R37: rule(
    "reported",
    "Sort the NIC structures by PCI location.",
    "it does not take the NICs as they are listed",
  ),
  R38: rule(
    "reported",
    "Let the NIC structures lie in memory in the order of the control structure.",
    "it does not take the NICs as they are listed",
  ),
  R39: rule("reported", "List the NIC that reaches the target first.", "it finds no way to the target"),
  R40: rule(
    "reported",
    "List the NIC that Windows was installed on first, or install again.",
    "it stops at hand-over",
  ),
  R41: rule("note", "A further NIC may go without an address."),
  R42: rule("all", "Use a prefix of 0 to 32 for IPv4, to 128 for IPv6, and one address family for a NIC."),
  R43: rule("linux", "Set the prefix: Linux shows no subnet mask for 0, and dracut refuses the table."),
  R44: rule(
    "windows",
    "Leave the gateway out: Windows sends to it even what lies in its own subnet.",
    "it reaches the target through that gateway or not at all",
  ),
  R45: rule("all", "Name a gateway inside of the NIC's subnet that answers."),
  R46: rule(
    "note",
    "Give a gateway, or apply hotfix 2727330.",
    "Vista to 2008 R2 take 0.0.0.0 for the default route",
  ),
  R47: rule("all", "Give the MAC address that the NIC uses on the wire."),
  R48: rule("all", "Give MAC, PCI location and address of one and the same port."),
  R49: rule("all", "Give bus << 8 | device << 3 | function, in segment 0."),
  R50: rule("all", "Give the PCI location at which the operating system finds the NIC."),
  R51: rule("frail", "Give the NIC's PCI location: 00:00.0 is the host bridge."),
  R52: rule("frail", "Give the VLAN's number alone, 1 to 4094, or 0 for untagged."),
  R53: rule("note", "Use an origin from 0 to 4."),
  R54: rule("frail", "Expect dracut to run DHCP on this NIC; it may get another address."),
  R55: rule(
    "note",
    "Read the origin as iPXE's guess: manual where the address was set on the device itself, DHCP otherwise.",
  ),
  R56: rule("note", "Give the DHCP server's address along with the origin DHCP."),
  R57: rule("note", "Give one DNS server in the first field, or two different ones."),
  R58: rule("frail", "Give the host name with its length and offset, or neither."),
  R59: rule(
    "all",
    "Set valid on each target in use and boot-selected on exactly one; no Radius bits without Radius.",
  ),
  R60: rule("all", "Set each target's index to its position and its NIC to the index of a NIC in the table."),
  R61: rule("all", "Associate the target with a NIC that has a route to it."),
  R62: rule("all", "Give the target's IP address."),
  R63: rule("all", "Give the target's TCP port, usually 3260."),
  R64: rule("all", "Give the LUN as eight bytes, its number big-endian in the first two."),
  R65: rule("note", "Linux prints this LUN without zero padding: its text is ambiguous."),
  R66: rule("all", "Set the CHAP type to 0 (none), 1 (one-way) or 2 (mutual)."),
  R67: rule("all", "Give the credentials that the CHAP type asks for, no others, and two different secrets."),
  R68: rule(
    "windows",
    "Leave out credentials that the target does not ask for.",
    "it checks them all the same",
  ),
  R69: rule(
    "windows",
    "Use CHAP secrets of 12 to 16 bytes.",
    "Microsoft's initiator does not log in and says nothing",
  ),
  R70: rule("frail", "Use a secret for this target alone, and take it out of what is shown to others."),
  R71: rule(
    "frail",
    "Decide whether the system shall log in at the portal after a redirect or at the group's address.",
  ),
  R72: rule("linux", "Keep to two NICs and two targets for Linux before 5.6."),
  R73: rule("linux", "Publish no target whose login was given up."),
  R74: rule("all", "Report the table's memory as reserved, and end the base memory (40:13) below it."),
  R75: rule(
    "note",
    "Boot without --no-describe from a SAN disk that is hooked: iPXE installs no table otherwise.",
  ),
  R76: rule("all", "Mend what the firmware could not describe: it does not boot from the disk then."),
  R77: rule("note", "Have all paths up at boot, and expect the system to use those that the table has."),
  R78: rule("frail", "ESXi knows no IPv6 in this table."),
  R79: rule("frail", "Keep the gateway consistent with the NIC."),
  R80: rule("frail", "Reserve the address in DHCP: the system keeps it as it stands here."),
} as const;

export type RuleId = keyof typeof RULES;

export function severityOf(id: string, profile: LintProfile): Severity {
  return isRule(id) ? SEVERITY[RULES[id].kind][profile] : "warning";
}

/** What only Windows makes of it, as the end of a message. */
export function predictionOf(id: RuleId): string {
  const { windows }: Rule = RULES[id];
  return windows === undefined ? "" : `; predicted for Windows: ${windows}`;
}

export function adviceOf(id: RuleId): string {
  return RULES[id].advice;
}

function isRule(id: string): id is RuleId {
  return Object.hasOwn(RULES, id);
}
