import type { Timeline } from "./timeline.ts";

/** What a line of Windows' emergency console (EMS) says, if it is one that tells something of the boot. */
export interface EmsEvent {
  readonly kind: "machine" | "sac" | "prompt" | "commands" | "channel" | "event" | "stop-error";
  readonly data: Readonly<Record<string, unknown>>;
}

interface Rule {
  readonly pattern: RegExp;
  readonly event: (groups: Readonly<Record<string, string | undefined>>) => EmsEvent;
}

const rules: readonly Rule[] = [
  {
    pattern: /^<(?<name>name|os-[a-z-]+|processor-architecture|guid)>(?<value>.*)<\/\k<name>>$/,
    event: ({ name = "", value }) => ({ kind: "machine", data: { [name]: value } }),
  },
  {
    pattern: /SAC started and initialized/,
    event: () => ({ kind: "sac", data: {} }),
  },
  {
    pattern: /^EVENT:\s*The CMD command is (?<what>now available|unavailable)/,
    event: ({ what }) => ({ kind: "commands", data: { available: what === "now available" } }),
  },
  { pattern: /^EVENT:\s*(?<text>.+)/, event: ({ text }) => ({ kind: "event", data: { text } }) },
  { pattern: /^Channel:\s*(?<name>\S+)/, event: ({ name }) => ({ kind: "channel", data: { name } }) },
  {
    pattern: /\*\*\* STOP: (?<code>0x[0-9a-f]{8}) \((?<parameters>0x[0-9a-f]+(?:, ?0x[0-9a-f]+)*)\)/i,
    event: ({ code = "", parameters = "" }) => ({
      kind: "stop-error",
      data: { code: code.toLowerCase(), parameters: parameters.toLowerCase().split(/, ?/) },
    }),
  },
  {
    pattern: /CLASSNAME="BLUESCREEN"|^<BP>/i,
    event: () => ({ kind: "stop-error", data: {} }),
  },
  // `!SAC>` is what is left of the console when the system has stopped, or before its driver runs.
  {
    pattern: /^(?<mark>!?)SAC>/,
    event: ({ mark }) => ({ kind: "prompt", data: { whole: mark !== "!" } }),
  },
];

/**
 * Reads one line of the emergency console, cleaned of escape sequences. Windows fills its lines with blanks to the
 * width of the screen.
 */
export function readEmsLine(line: string): EmsEvent | undefined {
  const text = line.replaceAll(/\s+/g, " ").trim();
  for (const { pattern, event } of rules) {
    const found = pattern.exec(text);
    if (found !== null) return event(found.groups ?? {});
  }
  return undefined;
}

/** Appends what the serial port `ems` says (`ems` events); the same line told as a prompt and as a whole counts once. */
export function watchEms(timeline: Timeline): Disposable {
  let prompt: string | undefined;
  return timeline.follow(({ source, kind, data }) => {
    if (source !== "serial" || kind !== "line" || data["port"] !== "ems") return;
    const line = String(data["line"]);
    const event = readEmsLine(line);
    const partial = data["partial"] === true;
    const known = prompt !== undefined && line.startsWith(prompt);
    prompt = partial ? line : undefined;
    if (event !== undefined && !known) timeline.append("ems", event.kind, event.data);
  });
}
