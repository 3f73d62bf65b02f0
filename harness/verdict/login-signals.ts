import type { Observation } from "#harness/observe";
import { fileName, type KdFacts } from "./kd-facts.ts";
import type { PlanFacts } from "./plan-facts.ts";

/** What of a guest's login was seen, and what it was enough for. */
export interface LoginSeen {
  /** The last observation that was needed; the login counts from here. */
  readonly observation: Observation;
  /** All that were needed, by time. */
  readonly observations: readonly Observation[];
  readonly signals: readonly string[];
}

/** How much of a picture one colour may have for it to show anything. */
const blankShare = 0.995;
/** Windows' stop screens: of 10 and later, 8, and before. */
const stopColours = new Set(["#0078d7", "#0178d7", "#1172aa", "#0000aa", "#0000a8", "#000082", "#000080"]);
const stopShare = 0.6;

/**
 * The first of the guest's login signals, or combinations of them, that was seen whole. What is seen after a crash or
 * the kernel's good-bye does not count.
 */
export function loginSeen(
  all: readonly Observation[],
  about: {
    readonly plan: PlanFacts;
    readonly kd: KdFacts;
    /** The marker `login`. */
    readonly marker: Observation | undefined;
    /** When the guest's own system began to run, as far as that was seen. */
    readonly since: number | undefined;
  },
): LoginSeen | undefined {
  const { plan, kd, marker, since } = about;
  const { login } = plan;
  const over = Math.min(kd.bugcheck?.t ?? Infinity, kd.shutdown?.t ?? Infinity);
  const probe = (wanted: string) => all.find(({ source, kind }) => source === "probe" && kind === wanted);
  const seen: Readonly<Record<string, Observation | undefined>> = {
    marker,
    modules: lastOf(login.modules.map((one) => kd.modules.find((module) => fits(one, fileName(module))))),
    processes: kd.processLists.find((list) => {
      const names = namesOf(list);
      return login.processes.every((one) => names.some((name) => fits(one, name)));
    }),
    ems: all.find(
      ({ source, kind, data }) => source === "ems" && kind === "commands" && data["available"] === true,
    ),
    tcp: probe("tcp"),
    settled: probe("settled"),
  };
  const found = login.signals.flatMap((signals): LoginSeen[] => {
    const others = signals.filter((signal) => signal !== "screen").map((signal) => seen[signal]);
    const needed = others.length < signals.length ? [...others, still(all, since, lastOf(others))] : others;
    const last = lastOf(needed);
    if (last === undefined || last.t >= over) return [];
    const observations = needed.filter((one) => one !== undefined).toSorted((a, b) => a.t - b.t);
    return [{ observation: last, observations, signals }];
  });
  return found.toSorted((a, b) => a.observation.t - b.observation.t)[0];
}

/** The first picture that stood still since the system began, and did not change before the other signs were there. */
function still(
  all: readonly Observation[],
  since: number | undefined,
  others: Observation | undefined,
): Observation | undefined {
  if (since === undefined) return undefined;
  const changes = all.filter(({ source, kind }) => source === "screen" && kind === "picture");
  return all.find(
    (one) =>
      one.t > since &&
      showsSomething(one) &&
      !changes.some(({ t }) => t > one.t && t <= (others?.t ?? Number.NEGATIVE_INFINITY)),
  );
}

/** The latest of observations of which every one is needed. */
function lastOf(needed: readonly (Observation | undefined)[]): Observation | undefined {
  const there = needed.filter((one) => one !== undefined);
  if (there.length < needed.length) return undefined;
  return there.toSorted((a, b) => a.t - b.t).at(-1);
}

/** What is not a regular expression fits nothing. */
function fits(pattern: string, name: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`, "iu").test(name);
  } catch {
    return false;
  }
}

function namesOf({ kind, data }: Observation): readonly string[] {
  return (data[kind === "processes" ? "names" : "processes"] as readonly string[] | undefined) ?? [];
}

function showsSomething({ source, kind, data }: Observation): boolean {
  if (source !== "screen" || kind !== "stable") return false;
  const share = Number(data["share"]);
  return share < blankShare && !(share > stopShare && stopColours.has(String(data["colour"])));
}
