import type { Observation } from "#harness/observe";
import type { PhaseId } from "./phases.ts";

/** What a kernel told its debugger or its emergency console, sorted for the verdict. */
export interface KdFacts {
  /** A debugger is at the other end of one of the guest's ports. */
  readonly attached: boolean;
  /** The first packet: somebody speaks the protocol. */
  readonly spoke: Observation | undefined;
  /** The first word of a kernel, not of a boot loader that is debugged itself. */
  readonly kernel: Observation | undefined;
  /** The crash, by the debugger or, without one, by the emergency console. */
  readonly bugcheck: Observation | undefined;
  readonly lost: Observation | undefined;
  /** The last that the kernel said of its own accord. */
  readonly last: Observation | undefined;
  /** The last time that it stopped because it was asked whether it runs. */
  readonly answered: Observation | undefined;
  /** The kernel's word that it restarts or goes off. */
  readonly shutdown: Observation | undefined;
  /** Lines of the boot drivers. */
  readonly log: readonly Observation[];
  readonly modules: readonly Observation[];
  readonly processLists: readonly Observation[];
  /** Plain text on the debugger's port. */
  readonly text: readonly Observation[];
}

/** Kinds that nobody but the kernel brings about. */
const kernelWords = new Set([
  "session",
  "print",
  "prompt",
  "module",
  "bugcheck",
  "shutdown",
  "command",
  "file",
]);
const packets = new Set([...kernelWords, "version", "stop", "kernel", "processes", "unknown"]);

export function gatherKdFacts(all: readonly Observation[], attached: boolean): KdFacts {
  const kd = all.filter(({ source }) => source === "kd");
  const ems = all.filter(({ source }) => source === "ems");
  const ofKind = (kind: string) => kd.filter((one) => one.kind === kind);
  return {
    attached,
    spoke: kd.find(({ kind }) => packets.has(kind)),
    kernel: kernelOf(kd) ?? ems.find(({ kind }) => kind === "machine" || kind === "sac"),
    bugcheck: ofKind("bugcheck").at(-1) ?? ems.find(({ kind }) => kind === "stop-error"),
    lost: ofKind("lost").findLast(({ data }) => data["reason"] !== "closed"),
    last: kd.findLast(({ kind }) => kernelWords.has(kind)),
    answered: ofKind("stop").findLast(({ data }) => data["reason"] === "break-in"),
    shutdown: ofKind("shutdown").at(-1),
    log: ofKind("fact"),
    modules: ofKind("module").filter(({ data }) => data["unload"] !== true),
    processLists: [...ofKind("processes"), ...ofKind("kernel")],
    text: ofKind("text"),
  };
}

/** The session that says itself a kernel; the first one that does not say what it is, where none does. */
function kernelOf(kd: readonly Observation[]): Observation | undefined {
  let session: Observation | undefined;
  let unnamed: Observation | undefined;
  for (const one of kd) {
    if (!packets.has(one.kind)) continue;
    if (one.kind === "session" || session === undefined) {
      unnamed ??= session;
      session = one;
    }
    if (one.kind !== "version") continue;
    if (one.data["system"] !== "boot") return session;
    session = undefined;
  }
  return unnamed ?? session;
}

/** Lines of the boot drivers that say how far a boot has come. */
const logPhases: readonly (readonly [phase: PhaseId, says: (fact: Fact) => boolean])[] = [
  ["P11", ({ kind, values }) => kind === "table" && (values["signature"] ?? "iBFT") === "iBFT"],
  [
    "P12",
    // Drivers before sanbootconf 0.9.3 say no more of a card that they have found.
    ({ kind, values }) =>
      kind === "nic-configured" ||
      kind === "nic-instance" ||
      (kind === "nic-result" && isZero(values["status"])),
  ],
  ["P13", ({ kind }) => kind === "logon"],
  ["P14", ({ kind, values }) => kind === "boot-status" && isZero(values["status"])],
  ["P15", ({ kind }) => kind === "disk-found" || kind === "disk-matched"],
  ["P15", ({ kind, values }) => kind === "boot-status" && isZero(values["status"])],
];

interface Fact {
  readonly kind: string;
  readonly values: Readonly<Record<string, string>>;
}

export function factOf({ data }: Observation): Fact {
  return { kind: String(data["kind"]), values: (data["values"] as Fact["values"] | undefined) ?? {} };
}

export function isZero(status: string | undefined): boolean {
  return status !== undefined && Number.parseInt(status, 16) === 0;
}

/** The first observation for each phase that debugger or emergency console evidence. */
export function kdPhases(
  facts: KdFacts,
  all: readonly Observation[],
): readonly (readonly [PhaseId, Observation])[] {
  const found: [PhaseId, Observation][] = [];
  const mark = (phase: PhaseId, observation: Observation | undefined) => {
    if (observation !== undefined) found.push([phase, observation]);
  };
  if (facts.spoke !== undefined && facts.spoke !== facts.kernel) mark("P9", facts.spoke);
  mark("P10", facts.kernel);
  for (const [phase, says] of logPhases)
    mark(
      phase,
      facts.log.find((one) => says(factOf(one))),
    );
  // The first session's processes and drivers are read from the disk itself.
  mark(
    "P16",
    facts.modules.find((one) => fileName(one) === "win32k.sys"),
  );
  mark(
    "P16",
    all.find(
      ({ source, kind, data }) => source === "ems" && kind === "commands" && data["available"] === true,
    ),
  );
  return found;
}

/** A module's file name in lower case: its folder may be wrong for what the boot loader loaded. */
export function fileName({ data }: Observation): string {
  return (/[^\\/]*$/.exec(String(data["path"]))?.[0] ?? "").toLowerCase();
}
