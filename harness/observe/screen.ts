import type { RunningMachine } from "#harness/qemu-launcher";
import { repeat } from "./repeat.ts";
import type { Timeline } from "./timeline.ts";

const intervalMs = 1000;

/**
 * Reads the VGA text screen once a second and appends the lines that were not on it before (`screen` `text` {lines}):
 * what boot firmware and boot sectors say is often said nowhere else. Graphics modes give nothing.
 */
export function watchScreen(machine: RunningMachine, timeline: Timeline): AsyncDisposable {
  let shown = new Set<string>();
  return repeat(intervalMs, async () => {
    const screen = await machine.screenText();
    if (screen === undefined) return;
    const lines = screen.filter((line) => line.trim() !== "" && !shown.has(line));
    shown = new Set(screen);
    if (lines.length > 0) timeline.append("screen", "text", { lines });
  });
}
