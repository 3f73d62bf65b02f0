import type { Observation } from "#harness/observe";
import type { PhaseId } from "./phases.ts";
import type { PlanFacts } from "./plan-facts.ts";
import type { SessionFacts } from "./session-facts.ts";

/**
 * The session of the firmware that sanlab plays itself: it is not on the guest's wire, so its own reports tell of it.
 * Undefined where real firmware booted, or before the login.
 */
export function emulatedSession(all: readonly Observation[], plan: PlanFacts): SessionFacts | undefined {
  const at = (kind: string) => all.find((one) => one.source === "firmware" && one.kind === kind)?.t;
  const login = all.find((one) => one.source === "firmware" && one.kind === "login");
  if (plan.firmware !== "emulated" || login === undefined) return undefined;
  const sums = all.findLast((one) => one.source === "firmware" && one.kind === "disk-io")?.data;
  const handOver = at("hand-over");
  const lost = at("connection-lost");
  const session: SessionFacts = {
    connection: "",
    isid: String(login.data["isid"]),
    software: "sanlab's emulated firmware",
    openedAt: login.t,
    operationalAt: login.t,
    fullFeatureAt: login.t,
    initiator: null,
    target: plan.target,
    reads: Number(sums?.["reads"] ?? 0),
    writes: Number(sums?.["writes"] ?? 0),
  };
  const [ready, first, past] = [at("disk"), at("boot-sector"), at("past-boot-sector")];
  if (ready !== undefined) session.readyAt = ready;
  if (first !== undefined) session.bootSectorAt = first;
  if (past !== undefined) session.pastBootSectorAt = past;
  if (lost !== undefined && (handOver === undefined || lost < handOver)) session.closedAt = lost;
  return session;
}

/**
 * When the machine was taken over, where only the emulated firmware's fence tells: what its NICs sent before that was
 * the system's as well.
 */
export function emulatedHandOver(all: readonly Observation[]): number | undefined {
  const fenced = all.some((one) => one.source === "firmware" && one.kind === "hand-over");
  return fenced ? 0 : undefined;
}

/** Its login stands for the phases of real firmware up to there: it needs neither the machine's NIC nor an address. */
const phasesOf: Readonly<Record<string, readonly PhaseId[]>> = {
  login: ["P0", "P1", "P2", "P3", "P4"],
  disk: ["P5"],
  "boot-sector": ["P6"],
  "past-boot-sector": ["P8"],
  "hand-over": ["P10"],
};

export function emulatedPhases(
  all: readonly Observation[],
): readonly (readonly [phase: PhaseId, observation: Observation])[] {
  return all.flatMap((one) =>
    one.source === "firmware" ? (phasesOf[one.kind] ?? []).map((phase) => [phase, one] as const) : [],
  );
}

/** What the guest's own driver did with the disk that was the firmware's alone. */
export function strayCommands(all: readonly Observation[]): readonly Observation[] {
  return all.filter((one) => one.source === "firmware" && one.kind === "stray-command");
}
