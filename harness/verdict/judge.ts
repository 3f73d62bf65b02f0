import { inOrder, type Observation } from "#harness/observe";
import { gatherFacts, type BootFacts } from "./boot-facts.ts";
import { diagnose } from "./diagnosis.ts";
import { describeObservation } from "./describe.ts";
import { strayCommands } from "./emulated-facts.ts";
import { phaseOrder, phases, type PhaseId } from "./phases.ts";
import { VERDICT_FORMAT, type Evidence, type Verdict } from "./verdict.ts";

/** Judges a boot by its timeline alone; observations may come in any order. */
export function judge(observations: readonly Observation[]): Verdict {
  const facts = gatherFacts(inOrder(observations));
  const startedAt = facts.startedAt ?? 0;
  const reached = [...facts.reached.keys()].at(-1) ?? null;
  const base = {
    formatVersion: VERDICT_FORMAT,
    reached,
    timings: Object.fromEntries(
      [...facts.reached].map(([phase, { t }]) => [phase, round(Math.max(0, t - startedAt))]),
    ),
    ibft:
      facts.ibft === undefined
        ? null
        : {
            address: facts.ibft.data["address"],
            by: facts.ibft.data["by"],
            ...(facts.ibft.data["table"] as object),
          },
  } as const;
  const evidence = (list: readonly Observation[]): readonly Evidence[] =>
    list.map((one) => ({ t: round(one.t - startedAt), source: one.source, text: describeObservation(one) }));

  const failed = labFailure(facts);
  if (failed !== undefined) {
    const message = String(failed.data["message"]);
    const code = failed.data["code"];
    return {
      ...base,
      outcome: "lab-error",
      class: null,
      confidence: "certain",
      summary: `the lab failed: ${message}`,
      advice: typeof code === "string" ? `'sanlab doctor' tells more (${code}).` : "",
      evidence: [],
    };
  }
  const stray = strayCommands(facts.all);
  if (stray.length > 0) {
    const [first] = stray;
    const sum = stray.length === 1 ? "a command" : `${stray.length} commands`;
    return {
      ...base,
      outcome: "fail",
      class: "FIRMWARE-DISK-USED",
      confidence: "certain",
      summary: `${reached === null ? "reached nothing" : `reached ${reached}`}, but after hand-over the guest sent ${sum} to the firmware's disk, a ${String(first?.data["command"])} at ${String(first?.data["offset"])} first`,
      advice:
        "The guest has a driver for the controller of the firmware's disk and may live from it: choose another by emulated.controller.",
      evidence: evidence(stray.slice(0, 4)),
    };
  }
  if (reached !== null && phaseOrder(reached) >= phaseOrder(facts.plan.reach)) {
    const proof = facts.reached.get(facts.plan.reach) ?? facts.reached.get(reached);
    return {
      ...base,
      outcome: "pass",
      class: null,
      confidence: "certain",
      summary: passSummary(facts, reached, startedAt),
      advice: "",
      evidence: evidence(proofOf(facts, proof)),
    };
  }
  const notReached = `${reached === null ? "reached nothing" : `reached ${reached}`}, not ${goal(facts.plan.reach)}`;
  if (facts.end?.reason === "interrupted" || facts.end === undefined) {
    return {
      ...base,
      outcome: "inconclusive",
      class: null,
      confidence: "certain",
      summary: `${notReached}: the run was interrupted`,
      advice: "",
      evidence: [],
    };
  }
  const diagnosis = diagnose(facts);
  if (diagnosis === undefined) {
    return {
      ...base,
      outcome: "fail",
      class: null,
      confidence: "guess",
      summary: `${notReached}: nothing that was seen says why`,
      advice: "The run folder has serial.log, screen.png and net.pcap.",
      evidence: evidence(facts.all.slice(-3)),
    };
  }
  const { class: name, confidence, cause, advice } = diagnosis;
  return {
    ...base,
    outcome: "fail",
    class: name,
    confidence,
    summary: `${notReached}: ${cause}`,
    advice,
    evidence: evidence(diagnosis.evidence),
  };
}

/** QEMU's own death says nothing about the guest: the guest's way out, a shutdown or reset, comes without a message. */
function labFailure({ end }: BootFacts): Observation | undefined {
  if (end === undefined) return undefined;
  const died = end.reason === "machine-exit" && end.observation.data["message"] !== undefined;
  return end.reason === "lab-error" || died ? end.observation : undefined;
}

function passSummary({ reached, firmware, system }: BootFacts, highest: PhaseId, startedAt: number): string {
  const at = round((reached.get(highest)?.t ?? startedAt) - startedAt).toFixed(1);
  const who =
    system === undefined
      ? ""
      : `, its root on ${system.target ?? "the target"} by ${system.software ?? "its own initiator"}`;
  const by = firmware === undefined ? "" : ` after a boot by ${firmware.software ?? "the firmware"}`;
  return highest === "P17"
    ? `the guest reached login after ${at} s${who}${by}`
    : `reached ${highest} (${phases[highest]}) after ${at} s${by}`;
}

/** A login may have needed several signs. */
function proofOf({ login }: BootFacts, proof: Observation | undefined): readonly Observation[] {
  if (login !== undefined && proof === login.observation) return login.observations;
  return proof === undefined ? [] : [proof];
}

function goal(phase: PhaseId): string {
  return phase === "P17" ? "login" : phase;
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
