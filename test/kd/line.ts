import { duplexPair, type Duplex } from "node:stream";
import { SeededRandom } from "#core";

/** A serial line in memory: what one end writes the other reads, byte by byte changed by `spoil`. */
export function openLine(spoil: (byte: number) => readonly number[] = (byte) => [byte]): {
  readonly debuggerEnd: Duplex;
  readonly kernelEnd: Duplex;
} {
  const [debuggerEnd, left] = duplexPair();
  const [kernelEnd, right] = duplexPair();
  const carry = (from: Duplex, to: Duplex) => {
    from.on("data", (chunk: Buffer) => {
      if (to.writable) to.write(Buffer.from(Array.from(chunk, spoil).flat()));
    });
    from.on("end", () => to.end());
    from.on("error", () => {});
  };
  carry(left, right);
  carry(right, left);
  debuggerEnd.on("close", () => kernelEnd.destroy());
  return { debuggerEnd, kernelEnd };
}

/** Damages, loses or doubles one byte in so many. */
export function noise(seed: number, oneIn: number): (byte: number) => readonly number[] {
  const random = new SeededRandom(seed);
  return (byte) => {
    if (random.below(oneIn) > 0) return [byte];
    return random.pick([[], [byte, byte], [byte ^ (1 + random.below(255))]]);
  };
}
