import type { CdbField } from "./field.ts";

export type CdbFieldMap = Readonly<Record<string, CdbField>>;

/** What a command is called, how it is told from others and where its fields are. */
export interface CdbSpec<Fields extends CdbFieldMap = CdbFieldMap> {
  /** The standard's name, as "READ(10)". */
  readonly title: string;
  readonly opcode: number;
  readonly length: 6 | 10 | 12 | 16;
  /** Bits 4-0 of byte 1, for operation codes that share several commands. */
  readonly serviceAction?: number;
  /** Which way data flows when there is any. */
  readonly direction: "none" | "in" | "out";
  readonly fields: Fields;
}

interface SpecOptions {
  readonly serviceAction?: number;
}

const make =
  (direction: CdbSpec["direction"]) =>
  <const Fields extends CdbFieldMap>(
    title: string,
    opcode: number,
    length: CdbSpec["length"],
    fields: Fields,
    options: SpecOptions = {},
  ): CdbSpec<Fields> => ({ title, opcode, length, direction, fields, ...options });

export const noData = make("none");
export const dataIn = make("in");
export const dataOut = make("out");
