import type { Extent } from "#block";
import { CommandError, ErrorNumber } from "./error-number.ts";
import type { NbdExport } from "./export.ts";
import { Command, CommandFlag, ExtentFlag, defaultMaxPayload, type Request } from "./protocol.ts";

/** Pieces in which zeroes are written and ranges are read ahead, bytes. */
const pieceSize = 1024 * 1024;
/** How many extents one answer tells at most; the client asks on from there. */
const mostExtents = 1024;

const zeroes = Buffer.alloc(pieceSize);

/** What a command gives: the data of a read, the descriptors of a block status, else nothing. */
export interface Outcome {
  readonly data?: Uint8Array;
  readonly extents?: readonly Extent[];
}

const writing = new Set<number>([Command.Write, Command.Trim, Command.WriteZeroes]);
const knownFlags = new Map<number, number>([
  [Command.Read, CommandFlag.Fua | CommandFlag.Df],
  [Command.Write, CommandFlag.Fua],
  [Command.Flush, CommandFlag.Fua],
  [Command.Trim, CommandFlag.Fua],
  [Command.Cache, CommandFlag.Fua],
  [Command.WriteZeroes, CommandFlag.Fua | CommandFlag.NoHole],
  [Command.BlockStatus, CommandFlag.Fua | CommandFlag.ReqOne],
]);

/**
 * Refuses a request that the export cannot carry out, whatever the device would say.
 * @returns the offset as a number
 * @throws CommandError
 */
export function checkRequest(target: NbdExport, request: Request): number {
  const { type, flags, length } = request;
  const allowed = knownFlags.get(type);
  if (allowed === undefined) throw new CommandError(ErrorNumber.EINVAL, `unknown command ${type}`);
  if ((flags & ~allowed) !== 0)
    throw new CommandError(
      ErrorNumber.EINVAL,
      `command flags 0x${flags.toString(16)} are not for this command`,
    );
  if (target.fenced) throw new CommandError(ErrorNumber.ESHUTDOWN, "the export has been fenced");
  if (writing.has(type) && target.readOnly)
    throw new CommandError(ErrorNumber.EPERM, "the export is read-only");
  if (type === Command.Flush) return 0;
  const { blockSize, size } = target.device;
  if (length === 0) throw new CommandError(ErrorNumber.EINVAL, "a length of zero");
  if (request.offset + BigInt(length) > BigInt(size)) {
    const grows = type === Command.Write || type === Command.WriteZeroes;
    throw new CommandError(
      grows ? ErrorNumber.ENOSPC : ErrorNumber.EINVAL,
      `offset ${request.offset}, length ${length}: past the end of ${size} bytes`,
    );
  }
  const offset = Number(request.offset);
  if (offset % blockSize !== 0 || length % blockSize !== 0)
    throw new CommandError(
      ErrorNumber.EINVAL,
      `offset ${offset}, length ${length}: not a multiple of the block of ${blockSize} bytes`,
    );
  if (type === Command.Read && length > defaultMaxPayload)
    throw new CommandError(ErrorNumber.EINVAL, `a read is ${defaultMaxPayload} bytes at most`);
  return offset;
}

/** Carries out a checked command. @throws CommandError, or whatever the device throws. */
export async function execute(
  target: NbdExport,
  request: Request,
  offset: number,
  payload: Uint8Array,
  signal: AbortSignal,
): Promise<Outcome> {
  const { device } = target;
  const { length } = request;
  const fua = (request.flags & CommandFlag.Fua) !== 0;
  switch (request.type) {
    case Command.Read: {
      const data = Buffer.allocUnsafe(length);
      await device.read(offset, data, { signal });
      return { data };
    }
    case Command.Write:
      await device.write(offset, payload, { fua, signal });
      return {};
    case Command.Flush:
      if (!device.readOnly) await device.flush({ signal });
      return {};
    case Command.Trim:
      await device.trim(offset, length, { signal });
      if (fua) await device.flush({ signal });
      return {};
    case Command.WriteZeroes:
      // Without NO_HOLE the client does not mind a hole, and a device's trim leaves zeroes.
      if ((request.flags & CommandFlag.NoHole) === 0) await device.trim(offset, length, { signal });
      else
        for (let at = 0; at < length; at += pieceSize)
          await device.write(offset + at, zeroes.subarray(0, Math.min(pieceSize, length - at)), { signal });
      if (fua) await device.flush({ signal });
      return {};
    case Command.Cache:
      await readAhead(target, offset, length, signal);
      return {};
    default:
      return { extents: await extentsOf(target, request, offset, signal) };
  }
}

/** Brings a range near, into whatever cache lies below the device. */
async function readAhead(
  target: NbdExport,
  offset: number,
  length: number,
  signal: AbortSignal,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(pieceSize, length));
  for (let at = 0; at < length; at += pieceSize)
    await target.device.read(offset + at, buffer.subarray(0, Math.min(pieceSize, length - at)), { signal });
}

async function extentsOf(
  target: NbdExport,
  request: Request,
  offset: number,
  signal: AbortSignal,
): Promise<readonly Extent[]> {
  const most = (request.flags & CommandFlag.ReqOne) === 0 ? mostExtents : 1;
  const extents: Extent[] = [];
  for await (const extent of target.device.extents(offset, request.length, { signal })) {
    extents.push(extent);
    if (extents.length >= most) break;
  }
  return extents;
}

/** An extent's state in `base:allocation`. */
export const extentFlags = (extent: Extent): number =>
  extent.allocated ? 0 : ExtentFlag.Hole | ExtentFlag.Zero;
