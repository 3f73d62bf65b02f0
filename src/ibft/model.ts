import type { INITIATOR_FIELDS, NIC_FIELDS, TARGET_FIELDS, Values } from "./structures.ts";

/** What every structure of the table begins with (iBFT 1.02, section 3.2). */
export interface Block {
  /** Bytes from the start of the table. */
  readonly offset: number;
  readonly version: number;
  /** The structure's length field. */
  readonly length: number;
  readonly index: number;
  /** See `BlockFlag` and `ControlFlag`. */
  readonly flags: number;
}

/** `extensions` and `offsets` are as stored: 0 where absent; `offsets` is initiator, NIC 0, target 0, NIC 1, … */
export interface IbftControl extends Block {
  readonly extensions: number;
  readonly offsets: readonly number[];
}

export interface IbftInitiator extends Block, Values<typeof INITIATOR_FIELDS> {}

/** `prefix` is the subnet's length in bits, `origin` an `Origin`, `vlan` a VLAN identifier, 0 for untagged. */
export interface IbftNic extends Block, Values<typeof NIC_FIELDS> {}

/** `lun` is eight bytes in hexadecimal, `chapType` a `ChapType`, `nic` the index of the NIC to use. */
export interface IbftTarget extends Block, Values<typeof TARGET_FIELDS> {}

/** A structure whose content the table's definition leaves to others, its bytes behind the header in hexadecimal. */
export interface IbftExtension extends Block {
  readonly id: number;
  readonly data: string;
}

/** A whole table. IP addresses are text (IPv4 where stored as ::ffff:a.b.c.d), null where the 16 bytes are zero. */
export interface Ibft {
  readonly signature: string;
  /** The header's length field, bytes. */
  readonly length: number;
  readonly revision: number;
  readonly checksum: number;
  readonly oemId: string;
  readonly oemTableId: string;
  readonly control: IbftControl;
  readonly initiator: IbftInitiator | null;
  readonly nics: readonly IbftNic[];
  readonly targets: readonly IbftTarget[];
  readonly extensions: readonly IbftExtension[];
}

/** Bits of `flags` of initiator, NIC and target. */
export const BlockFlag = {
  Valid: 1,
  BootSelected: 2,
  GlobalAddress: 4,
  RadiusChap: 4,
  RadiusReverseChap: 8,
} as const;

/** EDK2 calls bit 0 of the control structure boot failover, iPXE single login: nobody sets it. */
export const ControlFlag = { BootFailover: 1 } as const;

/** Where a NIC's address came from (iBFT 1.02, section 2.6). */
export const Origin = {
  Other: 0,
  Manual: 1,
  WellKnown: 2,
  Dhcp: 3,
  RouterAdvertisement: 4,
  Unchanged: 15,
} as const;

export const ChapType = { None: 0, OneWay: 1, Mutual: 2 } as const;

export const Severity = { Fatal: "fatal", Error: "error", Warning: "warning", Info: "info" } as const;
export type Severity = (typeof Severity)[keyof typeof Severity];

/** Something about a table that a reader may trip over. `rule` is stable. */
export interface Finding {
  readonly rule: string;
  /** fatal: no system boots from it (or Windows does not); error: some system does not; the rest works. */
  readonly severity: Severity;
  /** Bytes from the start of the table. */
  readonly offset: number;
  /** Like `nic0.gateway`. */
  readonly field: string;
  readonly message: string;
  readonly advice: string;
}
