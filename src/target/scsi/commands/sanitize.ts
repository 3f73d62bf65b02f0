import { invalidField } from "../check.ts";
import type { LogicalUnit } from "../logical-unit.ts";
import { done, good, run, type Plan } from "../plan.ts";
import type { Request } from "../request.ts";
import { fill } from "./unmap.ts";

type Erase = Request<"sanitizeBlockErase" | "sanitizeCryptographicErase">;

/** Lets go of the whole medium; it reads as zero. */
export function sanitizeErase({ unit, cdb, bytes }: Erase): Plan {
  checkReserved(bytes, cdb.parameterListLength);
  return background(unit, cdb, async () => {
    await unit.device.trim(0, unit.blocks * unit.blockSize);
    await unit.device.flush();
  });
}

/** Overwrites the whole medium with the initialization pattern (SBC-4, section 5.30.6). */
export function sanitizeOverwrite({ unit, cdb, bytes }: Request<"sanitizeOverwrite">): Plan {
  checkReserved(bytes, 0);
  // Four bytes of header and a pattern of 1 byte to one block.
  if (cdb.parameterListLength < 5 || cdb.parameterListLength > unit.blockSize + 4) throw invalidField(7);
  return {
    kind: "gather",
    length: cdb.parameterListLength,
    outlivesAbort: true,
    finish: async (data) => {
      const patternLength = ((data[2] ?? 0) << 8) | (data[3] ?? 0);
      const count = (data[0] ?? 0) & 0x1f;
      if (count === 0 || patternLength === 0 || patternLength !== data.length - 4) throw invalidField(7);
      const block = Buffer.alloc(unit.blockSize, data.subarray(4));
      const plan = background(unit, cdb, async () => {
        await fill(unit, 0, unit.blocks, block, (blocks) => progress(unit, blocks / unit.blocks));
        await unit.device.flush();
      });
      return plan.kind === "gather" ? plan.finish(new Uint8Array(0)) : good;
    },
  };
}

export function sanitizeExitFailureMode({ unit, cdb, bytes }: Request<"sanitizeExitFailureMode">): Plan {
  checkReserved(bytes, cdb.parameterListLength);
  if (unit.sanitize?.state === "failed" && !unit.sanitize.unrestrictedExit) throw invalidField(1);
  unit.sanitize = undefined;
  return done;
}

function background(
  unit: LogicalUnit,
  {
    immediate,
    allowUnrestrictedExit,
  }: { readonly immediate: boolean; readonly allowUnrestrictedExit: boolean },
  work: () => Promise<void>,
): Plan {
  const begin = async () => {
    unit.sanitize = { state: "running", progress: 0, unrestrictedExit: allowUnrestrictedExit };
    try {
      await work();
      unit.sanitize = undefined;
    } catch (error) {
      unit.sanitize = { state: "failed", progress: 0, unrestrictedExit: allowUnrestrictedExit };
      throw error;
    }
  };
  if (!immediate)
    return { kind: "gather", length: 0, outlivesAbort: true, finish: () => begin().then(() => good) };
  return run(async () => {
    // The initiator follows by REQUEST SENSE; a failure stays in `unit.sanitize`.
    void begin().catch(() => undefined);
  });
}

function progress(unit: LogicalUnit, share: number): void {
  if (unit.sanitize !== undefined) unit.sanitize.progress = Math.min(0xffff, Math.floor(share * 0x1_0000));
}

function checkReserved(bytes: Uint8Array, parameterListLength: number): void {
  for (let at = 2; at <= 6; at++) if (bytes[at] !== 0) throw invalidField(at);
  if (((bytes[1] ?? 0) & 0x40) !== 0) throw invalidField(1, 6);
  if (parameterListLength !== 0) throw invalidField(7);
}
