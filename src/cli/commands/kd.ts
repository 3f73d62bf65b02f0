import { createReadStream } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import { Clock } from "#core";
import { Interruption } from "#harness/lab";
import { KdDecoder, KdHost, type LostEvent } from "#kd";
import { KdOutput } from "../kd-output.ts";
import { openLine } from "../kd-line.ts";
import { say } from "../output.ts";

export function command(): Command {
  return new Command("kd")
    .description("the kernel debugger of a Windows guest, on its serial port or in a recording")
    .addCommand(attachCommand())
    .addCommand(decodeCommand());
}

interface AttachOptions {
  readonly transcript?: string;
  readonly json?: true;
  readonly break?: true;
  readonly continue: boolean;
  readonly timeout?: number;
  readonly baud: number;
}

function attachCommand(): Command {
  return new Command("attach")
    .description("be the debugger at the other end of a guest's serial port")
    .argument("<line>", "a Unix socket, host:port, or a serial device")
    .option("--transcript <file>", "write the transcript there as well")
    .option("--json", "one JSON object a line")
    .option("--break", "stop the guest at once, show its modules and processes, and keep it stopped")
    .option("--no-continue", "keep the guest stopped at its first exception or bugcheck")
    .option("--timeout <seconds>", "end when the guest has been silent for so long", positive)
    .option("--baud <rate>", "speed of a serial device", positive, 115_200)
    .addHelpText(
      "after",
      `
Example:
  qemu-system-x86_64 -S -serial unix:com1.sock,server=on,wait=off -monitor stdio disk.raw
  sanlab kd attach com1.sock --transcript boot.txt

Attach before the guest starts: a kernel that finds no debugger stops asking for one.
Exit status: 0 the guest was heard until the line closed, 1 it crashed, went silent or never spoke, 130 interrupted.`,
    )
    .action(attach);
}

function decodeCommand(): Command {
  return new Command("decode")
    .description("show what a recording of one direction of a serial line holds")
    .argument("<file>", "the bytes as they came")
    .option("--transcript <file>", "write the transcript there as well")
    .option("--json", "one JSON object a line; `t` is null, `offset` the place in the file")
    .addHelpText("after", "\nExample:\n  sanlab kd decode com1.raw")
    .action(decode);
}

async function attach(where: string, options: AttachOptions): Promise<void> {
  using interruption = new Interruption();
  const stream = await openLine(where, options.baud);
  const clock = new Clock();
  const output = await KdOutput.open({ json: options.json === true, transcript: options.transcript });
  let lost: LostEvent["reason"] | undefined;
  await using host = new KdHost(stream, {
    onEvent: (event) => {
      if (event.kind === "lost") lost = event.reason;
      output.event(clock.now(), event);
    },
    atStops: options.break || !options.continue ? "hold" : "continue",
    quietMs: options.timeout === undefined ? undefined : options.timeout * 1000,
    signal: interruption.signal,
  });
  if (options.break) await showStopped(host, interruption.signal);
  await output.end(await host.finished);
  interruption.signal.throwIfAborted();
  process.exitCode = isGood(host, lost) ? 0 : 1;
}

/** Where contact is lost before the guest stops, the host's own end says so. */
async function showStopped(host: KdHost, signal: AbortSignal): Promise<void> {
  try {
    await host.breakIn({ signal });
    await host.tellLists();
    say("sanlab: the guest is stopped and stays so until another debugger lets it go on");
  } catch (error) {
    if (host.state !== "over") throw error;
  }
}

function isGood(host: KdHost, lost: LostEvent["reason"] | undefined): boolean {
  if (host.bugcheck !== undefined || host.summary.packets === 0) return false;
  return lost === undefined || lost === "closed";
}

async function decode(
  file: string,
  options: { readonly json?: true; readonly transcript?: string },
): Promise<void> {
  const output = await KdOutput.open({ json: options.json === true, transcript: options.transcript });
  const decoder = new KdDecoder((event) => output.event(null, event));
  for await (const chunk of createReadStream(file)) decoder.push(chunk as Buffer);
  await output.end(decoder.end());
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("It has to be a number above zero.");
  return value;
}
