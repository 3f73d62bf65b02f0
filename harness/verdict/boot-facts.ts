import type { Observation } from "#harness/observe";
import { emulatedHandOver, emulatedPhases, emulatedSession } from "./emulated-facts.ts";
import { gatherKdFacts, kdPhases, type KdFacts } from "./kd-facts.ts";
import { loginSeen, type LoginSeen } from "./login-signals.ts";
import { phaseOrder, type PhaseId } from "./phases.ts";
import { compileMarkers, planFacts, type PlanFacts } from "./plan-facts.ts";
import { connectionOf, SessionFold, type SessionFacts } from "./session-facts.ts";

/** Why the run stopped watching. */
export type RunEnd = "reached" | "stopped" | "machine-exit" | "timeout" | "interrupted" | "lab-error";

/** What a timeline says about a boot, before anything is concluded from it. */
export interface BootFacts {
  readonly plan: PlanFacts;
  /** When the machine started; timings count from here. */
  readonly startedAt: number | undefined;
  /** The observation by which each phase was first evidenced. */
  readonly reached: ReadonlyMap<PhaseId, Observation>;
  readonly sessions: readonly SessionFacts[];
  /** All sessions of the firmware on the wire: iPXE logs in more than once on its way. */
  readonly firmwareSessions: readonly SessionFacts[];
  /** The firmware's last session. */
  readonly firmware: SessionFacts | undefined;
  readonly system: SessionFacts | undefined;
  /** What the guest's cards sent after the kernel had taken over, without the end of the firmware's own connection. */
  readonly framesAfterHandOver: readonly Observation[];
  readonly markers: ReadonlyMap<string, Observation>;
  /** By the guest's kernel debugger and emergency console. */
  readonly kd: KdFacts;
  readonly login: LoginSeen | undefined;
  readonly ibft: Observation | undefined;
  readonly end: { readonly reason: RunEnd; readonly observation: Observation } | undefined;
  readonly all: readonly Observation[];
}

/** Phases that a line of the guest's serial port evidences, by the marker's name in the guest's manifest. */
const markerPhases: readonly (readonly [marker: string, phase: PhaseId])[] = [
  ["bootLoader", "P9"],
  ["kernelLoaded", "P9"],
  ["kernelStarted", "P10"],
  ["ibftFound", "P11"],
  ["iscsiLogin", "P14"],
  ["diskArrived", "P15"],
  ["rootMounted", "P16"],
  ["userland", "P16"],
];

/** Gathers the facts from observations in order of time. */
export function gatherFacts(all: readonly Observation[]): BootFacts {
  const plan = planFacts(all);
  const seenMarkers = markersSeen(all, plan);
  const sessions = new SessionFold();
  for (const observation of all) if (observation.source === "wire") sessions.see(observation);
  const emulated = emulatedSession(all, plan);
  const kd = gatherKdFacts(all, plan.serials.includes("kd"));
  const handOver = seenMarkers.get("kernelStarted")?.t ?? kd.kernel?.t ?? emulatedHandOver(all);
  const isFirmwares = (one: SessionFacts) => plan.firmware === "ipxe" && isFirmware(one, handOver);
  const firmwareSessions = sessions.sessions.filter(isFirmwares);
  const system = sessions.sessions.find((one) => !isFirmwares(one));
  const framesAfterHandOver =
    handOver === undefined
      ? []
      : all.filter(
          (one) =>
            beganAt(one) > handOver &&
            isGuestFrame(one, plan) &&
            !firmwareSessions.some((session) => belongsTo(one, session)),
        );
  const tables = all.filter(
    (one) => one.source === "memory" && one.kind === "ibft" && one.data["valid"] === true,
  );
  // What an operating system on this firmware finds comes before what only lies there.
  const ibft =
    tables.findLast((one) => one.data["by"] === (plan.uefi ? "acpi" : "bios")) ??
    tables.findLast((one) => one.data["by"] === "acpi") ??
    tables.at(-1);
  const facts = {
    plan,
    startedAt: all.find((one) => one.source === "machine" && one.kind === "qemu-start")?.t,
    sessions: sessions.sessions,
    firmwareSessions,
    firmware: emulated ?? firmwareSessions.at(-1),
    system,
    framesAfterHandOver,
    markers: seenMarkers,
    kd,
    login: loginSeen(all, {
      plan,
      kd,
      marker: seenMarkers.get("login"),
      since: handOver ?? system?.fullFeatureAt,
    }),
    ibft,
    end: runEnd(all),
    all,
  };
  return { ...facts, reached: phasesReached(facts) };
}

function markersSeen(all: readonly Observation[], plan: PlanFacts): ReadonlyMap<string, Observation> {
  const seen = new Map<string, Observation>();
  const patterns = compileMarkers(plan.markers);
  for (const observation of all) {
    if (!isLine(observation)) continue;
    const line = String(observation.data["line"]);
    for (const [name, pattern] of patterns)
      if (!seen.has(name) && pattern.test(line)) seen.set(name, observation);
  }
  return seen;
}

/** A line of a serial port, or of what the guest prints for its debugger. */
function isLine({ source, kind }: Observation): boolean {
  return (source === "serial" && kind === "line") || (source === "kd" && kind === "print");
}

function phasesReached(facts: Omit<BootFacts, "reached">): ReadonlyMap<PhaseId, Observation> {
  const { all, plan, firmwareSessions, system, ibft, markers, framesAfterHandOver } = facts;
  const reached = new Map<PhaseId, Observation>();
  const mark = (phase: PhaseId, observation: Observation | undefined) => {
    if (observation === undefined) return;
    const known = reached.get(phase);
    if (known === undefined || observation.t < known.t) reached.set(phase, observation);
  };
  const wire = (kind: string, fits: (data: Observation["data"], t: number) => boolean) =>
    all.find((one) => one.source === "wire" && one.kind === kind && fits(one.data, one.t));
  const sessionEvent = (session: SessionFacts | undefined, t: number | undefined) =>
    session === undefined || t === undefined
      ? undefined
      : all.find(
          (one) => one.source === "wire" && one.t === t && connectionOf(one.data) === session.connection,
        );

  mark(
    "P0",
    all.find((one) => isGuestFrame(one, plan)),
  );
  mark(
    "P1",
    wire("dhcp", (data) => data["message"] === "ack" && plan.macs.includes(String(data["mac"]))),
  );
  for (const session of firmwareSessions) {
    const synAck = wire("tcp-synack", (data) => connectionOf(data) === session.connection);
    mark("P2", synAck);
    mark("P3", sessionEvent(session, session.openedAt));
    mark("P4", sessionEvent(session, session.operationalAt));
    mark("P5", sessionEvent(session, session.readyAt));
    mark("P6", sessionEvent(session, session.bootSectorAt));
    mark("P8", sessionEvent(session, session.pastBootSectorAt));
  }
  if (plan.firmware === "emulated")
    for (const [phase, observation] of emulatedPhases(all)) mark(phase, observation);
  mark("P7", ibft);
  for (const [marker, phase] of markerPhases) mark(phase, markers.get(marker));
  for (const [phase, observation] of kdPhases(facts.kd, all)) mark(phase, observation);
  mark("P17", facts.login?.observation);
  mark("P12", framesAfterHandOver[0]);
  mark(
    "P13",
    wire("tcp-synack", (data) => connectionOf(data) === system?.connection),
  );
  mark("P14", sessionEvent(system, system?.fullFeatureAt));
  mark("P15", sessionEvent(system, system?.capacityAt));
  return new Map([...reached].toSorted(([a], [b]) => phaseOrder(a) - phaseOrder(b)));
}

/** Firmware's session by its own ISID, or, of software unknown, by being opened before the kernel started. */
function isFirmware(session: SessionFacts, handOver: number | undefined): boolean {
  if (session.software === "iPXE") return true;
  if (session.software === "open-iscsi" || session.software === "Microsoft") return false;
  return handOver === undefined || session.openedAt < handOver;
}

/** Something that a card of the guest sent. In a DHCP message `mac` is whom it is about, `from` who sent it. */
function isGuestFrame({ source, kind, data }: Observation, plan: PlanFacts): boolean {
  const sender = kind === "dhcp" ? data["from"] : data["mac"];
  return source === "wire" && plan.macs.includes(String(sender));
}

/** A sum of frames stands at the time of its last one. */
function beganAt({ t, kind, data }: Observation): number {
  return kind === "mac-activity" ? t - Number(data["seconds"]) : t;
}

/** Whether a frame, or every frame of a sum, belongs to the connection of a session. */
function belongsTo({ kind, data }: Observation, session: SessionFacts): boolean {
  if (kind !== "mac-activity") return connectionOf(data) === session.connection;
  const label = `tcp#${session.connection.split("#")[1]}`;
  return Object.keys((data["by"] as object | null) ?? {}).every((name) => name === label);
}

function runEnd(all: readonly Observation[]): BootFacts["end"] {
  const observation = all.findLast((one) => one.source === "run" && one.kind === "end");
  return observation === undefined
    ? undefined
    : { reason: observation.data["reason"] as RunEnd, observation };
}
