import { closeSync, constants, openSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import path from "node:path";
import { Readable, type Writable } from "node:stream";
import { execa, type Options } from "execa";
import { LabError } from "#core";
import { inherited } from "./inherited.ts";
import type { SerialSpec } from "./machine-spec.ts";

/** Both directions of a serial port, seen from the host. */
export interface SerialLine {
  readonly input: Readable;
  readonly output: Writable;
}

/** The path that QEMU's pipe chardev gets; the FIFOs themselves end in `.in` and `.out`. */
export function fifoPath(runDir: string, serial: SerialSpec): string {
  return path.join(runDir, `.serial-${serial.name}`);
}

/**
 * Makes the FIFOs of these ports. FIFOs and not sockets: QEMU sends a byte at a time, of which a socket holds some 280
 * and a FIFO 65536. Where a socket is full for the 10 ms that a guest's driver waits, the guest's text is lost.
 */
export async function makeFifos(runDir: string, serials: readonly SerialSpec[]): Promise<void> {
  const names = serials.flatMap((serial) => namesOf(runDir, serial));
  if (names.length === 0) return;
  await removeFifos(runDir, serials);
  await execa("mkfifo", ["--mode=600", "--", ...names]);
}

/**
 * Opens the host's ends; QEMU must have opened its own, or the open would wait for it. Between the FIFO and us stands a
 * `cat`, because Node reads a FIFO only by keeping a thread of its small pool waiting for each. It ends when QEMU does.
 */
export async function connectFifo(runDir: string, serial: SerialSpec): Promise<SerialLine> {
  const [toGuest, fromGuest] = namesOf(runDir, serial);
  const output = await open(toGuest, constants.O_WRONLY);
  const source = openSync(fromGuest, constants.O_RDONLY);
  const settings: Options = { stdin: inherited(source), stderr: "ignore", buffer: false, reject: false };
  // Out of the terminal's reach: Ctrl-C must not cut the line before the machine has ended.
  const { stdout } = execa("cat", [], { ...settings, detached: true });
  closeSync(source);
  if (!(stdout instanceof Readable)) throw new LabError("CAT_MISSING", "cannot run cat: install coreutils");
  return { input: stdout, output: output.createWriteStream() };
}

/** Takes the names away, after which nobody else can find the FIFOs. */
export async function removeFifos(runDir: string, serials: readonly SerialSpec[]): Promise<void> {
  const names = serials.flatMap((serial) => namesOf(runDir, serial));
  await Promise.all(names.map((name) => rm(name, { force: true })));
}

function namesOf(runDir: string, serial: SerialSpec): readonly [toGuest: string, fromGuest: string] {
  const base = fifoPath(runDir, serial);
  return [`${base}.in`, `${base}.out`];
}
