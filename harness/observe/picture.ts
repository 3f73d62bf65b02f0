import type { Picture, RunningMachine } from "#harness/qemu-launcher";
import { repeat } from "./repeat.ts";
import type { Timeline } from "./timeline.ts";

const intervalMs = 2000;
const columns = 32;
const rows = 24;
/** A clock or a caret may change; more cells than this are another picture. */
const cellsThatMayChange = (columns * rows) / 50;
const visibleDifference = 8;

/** A picture small enough to compare: the brightness of its cells, and the colour that most of its dots have. */
export interface Sketch {
  readonly width: number;
  readonly height: number;
  readonly cells: Uint8Array;
  /** `#rrggbb`, and the part of the dots that have it. */
  readonly colour: string;
  readonly share: number;
}

export function sketch({ width, height, dots }: Picture): Sketch {
  const sums = new Float64Array(columns * rows);
  const counts = new Uint32Array(columns * rows);
  const colours = new Map<number, number>();
  const step = Math.max(1, Math.floor(Math.min(width / columns, height / rows) / 8));
  let dotsSeen = 0;
  for (let y = 0; y < height; y += step) {
    for (let x = 0; x < width; x += step) {
      const at = 3 * (y * width + x);
      if (at + 3 > dots.length) continue;
      const colour = dots.readUIntBE(at, 3);
      const cell = Math.floor((y * rows) / height) * columns + Math.floor((x * columns) / width);
      sums[cell] = (sums[cell] ?? 0) + ((colour >> 16) + 2 * ((colour >> 8) & 0xff) + (colour & 0xff)) / 4;
      counts[cell] = (counts[cell] ?? 0) + 1;
      colours.set(colour, (colours.get(colour) ?? 0) + 1);
      dotsSeen++;
    }
  }
  const [colour, dotsOfIt] = [...colours].reduce((most, one) => (one[1] > most[1] ? one : most), [0, 0]);
  return {
    width,
    height,
    cells: Uint8Array.from(sums, (sum, cell) => sum / Math.max(1, counts[cell] ?? 1)),
    colour: `#${colour.toString(16).padStart(6, "0")}`,
    share: dotsSeen === 0 ? 1 : dotsOfIt / dotsSeen,
  };
}

export function isSamePicture(one: Sketch, other: Sketch): boolean {
  if (one.width !== other.width || one.height !== other.height) return false;
  let changed = 0;
  for (const [cell, brightness] of one.cells.entries())
    if (Math.abs(brightness - (other.cells[cell] ?? 0)) > visibleDifference) changed++;
  return changed <= cellsThatMayChange;
}

/**
 * Looks at the display every other second and appends each picture that is another one (`screen` `picture` {width,
 * height, colour, share}), and once for each that it has stayed the same for `quietSeconds` (`screen` `stable`).
 */
export function watchPicture(
  machine: RunningMachine,
  timeline: Timeline,
  quietSeconds: number,
): AsyncDisposable {
  let shown: Sketch | undefined;
  let since = 0;
  let told = false;
  return repeat(intervalMs, async () => {
    const now = sketch(await machine.picture());
    const { width, height, colour, share } = now;
    const facts = { width, height, colour, share: Math.round(share * 1000) / 1000 };
    if (shown === undefined || !isSamePicture(shown, now)) {
      shown = now;
      since = timeline.now();
      told = false;
      timeline.append("screen", "picture", facts);
    } else if (!told && timeline.now() - since >= quietSeconds) {
      told = true;
      timeline.append("screen", "stable", { ...facts, seconds: quietSeconds });
    }
  });
}
