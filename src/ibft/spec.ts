import type { Block, IbftControl, IbftExtension, IbftInitiator, IbftNic, IbftTarget } from "./model.ts";

/**
 * How blocks and strings are placed: iPXE's 16-byte grid with room for two pairs and strings behind; EDK2's 8-byte grid and
 * 2 KiB heap; or an 8-byte grid with strings right behind, as the table of three pairs has it that Linux was tested with.
 */
export type IbftLayout = "ipxe" | "edk2" | "packed";

type Spec<T extends Block> = { readonly [K in keyof T]?: T[K] | undefined };

export type InitiatorSpec = Spec<IbftInitiator>;
export type NicSpec = Spec<IbftNic>;
export type TargetSpec = Spec<Omit<IbftTarget, "lun">> & { readonly lun?: number | string | undefined };
type ExtensionSpec = Spec<IbftExtension>;

/**
 * What to write; an `Ibft` read elsewhere is one. Where a field is left out: flags valid, and boot-selected for the
 * initiator, the first NIC and the first target; index the position; lengths, versions and offsets as the layout has
 * them; a target's port 3260; everything else zero.
 */
export interface IbftSpec {
  readonly signature?: string | undefined;
  readonly revision?: number | undefined;
  readonly oemId?: string | undefined;
  readonly oemTableId?: string | undefined;
  readonly layout?: IbftLayout | undefined;
  readonly control?: Spec<Omit<IbftControl, "offsets">> | undefined;
  readonly initiator?: InitiatorSpec | null | undefined;
  readonly nics?: readonly NicSpec[] | undefined;
  readonly targets?: readonly TargetSpec[] | undefined;
  readonly extensions?: readonly ExtensionSpec[] | undefined;
  readonly quirks?: IbftQuirks | undefined;
}

/** Deliberate deviations, applied last. Where they are given, even empty, the table need not pass the lint. */
export interface IbftQuirks {
  /** A field by its path, as `fieldPaths` lists them: `nic1.index`, `control.target0`, `target0.name.offset`. */
  readonly fields?: Readonly<Record<string, number | string | null>> | undefined;
  /** Bytes put at an offset, in hexadecimal. */
  readonly bytes?: readonly { readonly at: number; readonly hex: string }[] | undefined;
  /** right: computed last, over everything else (so where left out); wrong: one too many; or the byte itself. */
  readonly checksum?: "right" | "wrong" | number | undefined;
}
