import { SeededRandom } from "#core";
import type { FaultAction, FaultMatch, FaultPlan, FaultRule } from "./plan.ts";

/** Who an event is about, as far as it is known. */
interface Subject {
  readonly session?: number;
  readonly initiator?: string;
}

/** Something that a rule may match. */
export type FaultEvent = Subject &
  (
    | { readonly point: "pdu"; readonly pdu: string; field(name: string): number | undefined }
    | {
        readonly point: "scsi";
        readonly command: string;
        readonly lun: number;
        readonly lba?: number;
        readonly blocks?: number;
      }
    | {
        readonly point: "login";
        readonly stage: "security" | "operational";
        readonly keys: readonly string[];
      }
  );

/** One fault that is to happen now. */
export interface Shot {
  readonly rule: string;
  /** Counts the shots of the rule from 1. */
  readonly shot: number;
  readonly action: FaultAction;
  /** Random numbers for the action itself, as which bit to flip. */
  readonly random: SeededRandom;
}

interface Gun {
  readonly rule: FaultRule;
  readonly random: SeededRandom;
  matches: number;
  shots: number;
}

/** Decides which faults happen. It does nothing by itself: the same plan and the same events give the same shots. */
export class FaultEngine {
  readonly plan: FaultPlan;
  readonly #guns: readonly Gun[];

  constructor(plan: FaultPlan) {
    this.plan = plan;
    // Each rule has dice of its own, so that adding a rule does not change when the others fire.
    this.#guns = plan.rules.map((rule, index) => ({
      rule,
      random: new SeededRandom(plan.seed + 0x9e37_79b9 * (index + 1)),
      matches: 0,
      shots: 0,
    }));
  }

  /** The shot that the first rule to fire takes at an event, or undefined. Every rule counts its matches. */
  decide(event: FaultEvent): Shot | undefined {
    let shot: Shot | undefined;
    for (const gun of this.#guns) {
      if (!matches(gun.rule.on, event)) continue;
      gun.matches += 1;
      if (shot !== undefined || !fires(gun)) continue;
      gun.shots += 1;
      shot = { rule: gun.rule.id, shot: gun.shots, action: gun.rule.do, random: gun.random };
    }
    return shot;
  }
}

function fires({ rule, random, matches, shots }: Gun): boolean {
  const { after = 0, every = 1, times = Infinity, chance = 1 } = rule.when ?? {};
  if (matches <= after || shots >= times || (matches - after - 1) % every !== 0) return false;
  return chance >= 1 || random.float() < chance;
}

function matches(on: FaultMatch, event: FaultEvent): boolean {
  if (on.session !== undefined && on.session !== event.session) return false;
  if (on.initiator !== undefined && !isNamed(on.initiator, event.initiator)) return false;
  if (event.point === "pdu")
    return (
      on.pdu === event.pdu &&
      Object.entries(on.fields ?? {}).every(([name, value]) => event.field(name) === value)
    );
  if (event.point === "scsi") {
    if (on.scsi === undefined || (on.scsi !== event.command && !event.command.startsWith(`${on.scsi}(`)))
      return false;
    if (on.lun !== undefined && on.lun !== event.lun) return false;
    return on.lba === undefined || touches(on.lba, event.lba, event.blocks);
  }
  if (on.login === undefined || (on.login !== "any" && on.login !== event.stage)) return false;
  return on.key === undefined || event.keys.includes(on.key);
}

function isNamed(wanted: string, name = ""): boolean {
  return wanted.endsWith("*") ? name.startsWith(wanted.slice(0, -1)) : wanted === name;
}

function touches([first, last]: readonly [number, number], lba?: number, blocks = 0): boolean {
  return lba !== undefined && lba <= last && lba + Math.max(blocks, 1) > first;
}
