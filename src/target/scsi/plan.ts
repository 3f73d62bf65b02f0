import type { Sense } from "#scsi";

/** How a command ended. */
export interface Outcome {
  readonly status: number;
  readonly sense?: Sense;
}

/**
 * What carrying out a command takes, decided before any of its data moves. The connection moves the data; lengths are
 * bytes.
 */
export type Plan =
  /** Over already, in good or ill. */
  | { readonly kind: "done"; readonly outcome: Outcome }
  /** Parameter data for the initiator, cut to the allocation length. */
  | { readonly kind: "data"; readonly data: Uint8Array }
  /** Parameter data that takes time to find; cut to `length` bytes. */
  | { readonly kind: "compute"; readonly length: number; data(): Promise<Uint8Array> }
  /** Medium data for the initiator, read piece by piece so that memory stays bounded. */
  | { readonly kind: "read"; readonly length: number; read(offset: number, into: Uint8Array): Promise<void> }
  /** Needs all of its data, of a bounded length, at once. */
  | {
      readonly kind: "gather";
      readonly length: number;
      /** The initiator must have said that it sends exactly this much. */
      readonly exact?: boolean;
      /** `finish` goes on by itself when the command is aborted. */
      readonly outlivesAbort?: boolean;
      finish(data: Uint8Array): Promise<Outcome>;
    }
  /** Takes its data burst by burst, in any order of bursts. */
  | {
      readonly kind: "stream";
      readonly length: number;
      write(offset: number, data: Uint8Array): Promise<void>;
      finish(): Promise<Outcome>;
    };

export const good: Outcome = { status: 0x00 };
export const done: Plan = { kind: "done", outcome: good };

/** Parameter data cut to what the initiator has room for. */
export const answer = (data: Uint8Array, allocationLength: number): Plan => ({
  kind: "data",
  data: data.length > allocationLength ? data.subarray(0, allocationLength) : data,
});

/** A command without data that takes time. */
export const run = (work: () => Promise<Outcome | void>): Plan => ({
  kind: "gather",
  length: 0,
  finish: async () => (await work()) ?? good,
});
