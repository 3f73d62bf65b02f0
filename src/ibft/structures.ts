/** How a field's bytes are read. A string is two 16-bit words: its length without the NUL, and its offset. */
type FieldKind = "u8" | "u16" | "ip" | "mac" | "pci" | "lun" | "string" | "secret";

interface Field {
  readonly name: string;
  /** Offset from the start of the structure. */
  readonly at: number;
  readonly kind: FieldKind;
}

/** What the model holds for each kind; null is an address of 16 zero bytes or a string that is absent. */
interface KindValue {
  readonly u8: number;
  readonly u16: number;
  readonly ip: string | null;
  readonly mac: string;
  readonly pci: string;
  readonly lun: string;
  readonly string: string | null;
  readonly secret: string | null;
}

export type Values<Fields extends readonly Field[]> = {
  readonly [F in Fields[number] as F["name"]]: KindValue[F["kind"]];
};

/** ACPI header (36 bytes) and 12 reserved bytes (iBFT 1.02, section 3.1). */
export const HEADER_LENGTH = 48;
/** Id, version, length (16 bits), index, flags: what each structure begins with. */
export const BLOCK_HEADER_LENGTH = 6;

export const StructureId = { Control: 1, Initiator: 2, Nic: 3, Target: 4, Extensions: 5 } as const;

/** Bytes of each structure, header included. Control grows by four for each pair beyond the second. */
export const StructureLength = { control: 18, initiator: 74, nic: 102, target: 54 } as const;

/** Offset words of the control structure: extensions, initiator, then NIC and target in turn. */
export const CONTROL_OFFSETS_AT = 6;

export const INITIATOR_FIELDS = [
  { name: "isns", at: 6, kind: "ip" },
  { name: "slp", at: 22, kind: "ip" },
  { name: "radius1", at: 38, kind: "ip" },
  { name: "radius2", at: 54, kind: "ip" },
  { name: "name", at: 70, kind: "string" },
] as const satisfies readonly Field[];

export const NIC_FIELDS = [
  { name: "ip", at: 6, kind: "ip" },
  { name: "prefix", at: 22, kind: "u8" },
  { name: "origin", at: 23, kind: "u8" },
  { name: "gateway", at: 24, kind: "ip" },
  { name: "dns1", at: 40, kind: "ip" },
  { name: "dns2", at: 56, kind: "ip" },
  { name: "dhcp", at: 72, kind: "ip" },
  { name: "vlan", at: 88, kind: "u16" },
  { name: "mac", at: 90, kind: "mac" },
  { name: "pci", at: 96, kind: "pci" },
  { name: "hostname", at: 98, kind: "string" },
] as const satisfies readonly Field[];

export const TARGET_FIELDS = [
  { name: "ip", at: 6, kind: "ip" },
  { name: "port", at: 22, kind: "u16" },
  { name: "lun", at: 24, kind: "lun" },
  { name: "chapType", at: 32, kind: "u8" },
  { name: "nic", at: 33, kind: "u8" },
  { name: "name", at: 34, kind: "string" },
  { name: "chapName", at: 38, kind: "string" },
  { name: "chapSecret", at: 42, kind: "secret" },
  { name: "reverseChapName", at: 46, kind: "string" },
  { name: "reverseChapSecret", at: 50, kind: "secret" },
] as const satisfies readonly Field[];

/** A field as the reader and the writer walk it. */
export type AnyField = Field;

export const FIELDS_BY_ID: Readonly<Record<number, readonly Field[]>> = {
  [StructureId.Initiator]: INITIATOR_FIELDS,
  [StructureId.Nic]: NIC_FIELDS,
  [StructureId.Target]: TARGET_FIELDS,
};

export const LENGTH_BY_ID: Readonly<Record<number, number>> = {
  [StructureId.Control]: StructureLength.control,
  [StructureId.Initiator]: StructureLength.initiator,
  [StructureId.Nic]: StructureLength.nic,
  [StructureId.Target]: StructureLength.target,
};
