import type { KdEvent, StopReason } from "./events.ts";
import { LineJoiner } from "./line-joiner.ts";

const reasonTexts: Readonly<Partial<Record<StopReason, string>>> = {
  bugcheck: "A fatal system error has occurred. The debugger was entered before the blue screen.",
  "bugcheck-again": "A fatal system error has occurred. The debugger was entered after the blue screen.",
};

/**
 * Writes what is seen as WinDbg would show it: prints as they are, joined to lines, and modules, stops and bugchecks in its
 * words. Control bytes of a guest are shown as `\xNN`: what it sends must not steer a terminal.
 */
export class KdTranscript {
  readonly #write: (line: string) => void;
  readonly #prints: LineJoiner;
  readonly #text: LineJoiner;

  /** `write` receives lines without their ends. */
  constructor(write: (line: string) => void) {
    this.#write = write;
    this.#prints = new LineJoiner((line) => write(visible(line)));
    this.#text = new LineJoiner((line) => write(visible(line)));
  }

  add(event: KdEvent): void {
    if (event.kind !== "print" && event.kind !== "text") this.#prints.flush();
    if (event.kind === "stop" || event.kind === "lost") this.#text.flush();
    if (event.kind === "print") this.#prints.push(event.text);
    else if (event.kind === "text") this.#text.push(event.text);
    else for (const line of linesOf(event)) this.#write(line);
  }

  /** The unfinished line is the last. */
  end(): void {
    this.#prints.flush();
    this.#text.flush();
  }
}

type TextlessEvent = Exclude<KdEvent, { readonly kind: "print" | "text" }>;

function linesOf(event: TextlessEvent): readonly string[] {
  switch (event.kind) {
    case "prompt":
      return event.text.split("\n");
    case "module":
      return [moduleLine(event)];
    case "stop":
      return stopLines(event);
    case "bugcheck":
      return bugcheckLines(event);
    case "session":
      return event.number === 1
        ? ["Kernel Debugger connection established."]
        : ["", "The kernel began anew."];
    case "version":
      return [
        `Connected to Windows build ${event.build} ${event.architecture ?? event.machine}${event.checked ? " Checked" : ""}`,
        `Kernel base = ${event.kernelBase} PsLoadedModuleList = ${event.moduleList}`,
      ];
    case "shutdown":
      return ["The system is shutting down or restarting."];
    case "command":
      return [`${event.name}: ${event.command}`];
    case "file":
      return [`KD file ${event.operation}${event.name === undefined ? "" : ` ${event.name}`}: not provided`];
    case "manipulate":
      return [];
    case "unknown":
      return [`Packet of type ${event.type} with ${event.length} bytes is not known.`];
    case "misfit":
      return [`Not understood: ${event.message}.`];
    case "kernel":
      return kernelLines(event);
    case "lost":
      break;
  }
  return [`Contact lost (${event.reason}): ${event.message}.`];
}

function moduleLine(event: Extract<KdEvent, { kind: "module" }>): string {
  const base = BigInt(event.base);
  const end = base + BigInt(event.size);
  return `${event.unload ? "ModUnload" : "ModLoad"}: ${address(base)} ${address(end)}   ${event.path}`;
}

function stopLines(event: Extract<KdEvent, { kind: "stop" }>): readonly string[] {
  const chance = event.firstChance ? "first" : "!!! second";
  const isBreak = event.code === "0x80000003";
  const what = isBreak ? "Break instruction exception" : (event.name ?? "Unknown exception");
  const lines = [
    `${what} - code ${event.code.slice(2)} (${chance} chance${event.firstChance ? "" : " !!!"})`,
    `at ${address(BigInt(event.address))}, processor ${event.processor}`,
  ];
  const reason = event.reason === undefined ? undefined : reasonTexts[event.reason];
  return reason === undefined ? lines : [...lines, "", reason];
}

function bugcheckLines(event: Extract<KdEvent, { kind: "bugcheck" }>): readonly string[] {
  const about = [event.name, event.status].filter((word) => word !== undefined).join(", ");
  return [
    "",
    "*** Bugcheck Analysis ***",
    `BugCheck ${short(event.code).toUpperCase()}, {${event.parameters.map(short).join(", ")}}`,
    ...(about === "" ? [] : [about]),
    "",
  ];
}

function short(hex: string): string {
  return BigInt(hex).toString(16);
}

function kernelLines(event: Extract<KdEvent, { kind: "kernel" }>): readonly string[] {
  return [
    "start    end        module name",
    ...event.modules.map(({ name, base, size }) => {
      const start = BigInt(base);
      return `${address(start)} ${address(start + BigInt(size))}   ${name}`;
    }),
    ...(event.processes.length === 0 ? [] : [`Processes: ${event.processes.join(" ")}`]),
  ];
}

/** As WinDbg writes addresses: sign-extended 32-bit ones in 8 digits, others in 16 with a mark in the middle. */
function address(value: bigint): string {
  const unsigned = BigInt.asUintN(64, value);
  if (BigInt.asUintN(64, BigInt.asIntN(32, unsigned)) === unsigned)
    return BigInt.asUintN(32, unsigned).toString(16).padStart(8, "0");
  const digits = unsigned.toString(16).padStart(16, "0");
  return `${digits.slice(0, 8)}\`${digits.slice(8)}`;
}

function visible(line: string): string {
  return line.replaceAll(
    // eslint-disable-next-line no-control-regex -- control bytes are what it looks for
    /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g,
    (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
