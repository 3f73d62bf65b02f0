import type { ExecutionContext } from "ava";
import type { Session } from "#initiator";

/** Writes a pattern to the beginning of unit 0 and asserts that it is read back. `seed` makes it another pattern. */
export async function writeAndRead(
  t: ExecutionContext,
  session: Session,
  length: number,
  seed = 0,
): Promise<void> {
  const disk = await session.disk(0);
  const bytes = pattern(length, seed);
  await disk.write(0, bytes);
  const back = Buffer.alloc(length);
  await disk.read(0, back);
  t.true(back.equals(bytes));
}

export function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 8) + seed) & 0xff;
  return bytes;
}
