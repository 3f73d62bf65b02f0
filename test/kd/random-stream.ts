import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SeededRandom } from "#core";
import { KdDecoder } from "#kd";
import { data, print } from "./frames.ts";

/**
 * Random bytes with leaders, headers of any count and whole packets among them. Returns what came out, and by how much
 * the heap and the buffers outside it had grown after a collection.
 */
export function soakLink(options: { readonly bytes: number; readonly seed: number }) {
  const random = new SeededRandom(options.seed);
  let textBytes = 0;
  let longest = 0;
  const decoder = new KdDecoder((event) => {
    if (event.kind !== "text") return;
    textBytes += event.text.length;
    longest = Math.max(longest, event.text.length);
  });
  const feed = (bytes: number) => {
    for (let done = 0; done < bytes;) {
      const chunk = piece(random);
      done += chunk.length;
      decoder.push(chunk);
    }
  };
  feed(options.bytes / 10);
  const before = memoryInUse();
  feed(options.bytes - options.bytes / 10);
  const grownMiB = (memoryInUse() - before) / 2 ** 20;
  return { ...decoder.end(), textBytes, longest, grownMiB: Math.round(grownMiB * 10) / 10 };
}

function piece(random: SeededRandom): Buffer {
  const id = 0x8080_0000 + random.below(2) + random.below(2) * 0x800;
  switch (random.below(6)) {
    case 0:
      return print(id, Buffer.from(random.bytes(random.below(300))).toString("latin1"));
    case 1: {
      const frame = data(1 + random.below(11), id, random.bytes(1 + random.below(3000)));
      return frame.subarray(0, random.below(frame.length));
    }
    case 2:
      return Buffer.alloc(1 + random.below(9), random.pick([0x30, 0x69]));
    default:
      return Buffer.from(random.bytes(1 + random.below(2000)));
  }
}

function memoryInUse(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
