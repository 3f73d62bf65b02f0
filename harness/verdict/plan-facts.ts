import type { Observation } from "#harness/observe";
import { phaseIds, type PhaseId } from "./phases.ts";

/** What a verdict has to know about the run besides what was seen; written as the timeline's `plan` observation. */
export interface PlanFacts {
  /** The phase that has to be reached. */
  readonly reach: PhaseId;
  /** Who logs in first: real boot firmware on the wire, or sanlab in its place. */
  readonly firmware: "ipxe" | "emulated";
  readonly uefi: boolean;
  /** The guest's network cards, the booting one first. */
  readonly macs: readonly string[];
  /** As the guest reaches it. */
  readonly portal: { readonly host: string; readonly port: number };
  readonly target: string;
  /** Regular expressions for lines of the serial port, by what they mean. */
  readonly markers: Readonly<Record<string, string | undefined>>;
  /** What each of the guest's serial ports is. */
  readonly serials: readonly string[];
  /** What can say that the guest asks for a login: each item of `signals` is enough, all of it is needed. */
  readonly login: {
    readonly signals: readonly (readonly string[])[];
    readonly processes: readonly string[];
    readonly modules: readonly string[];
  };
}

const none: PlanFacts = {
  reach: "P17",
  firmware: "ipxe",
  uefi: false,
  macs: [],
  portal: { host: "", port: 3260 },
  target: "",
  markers: {},
  serials: ["console"],
  login: { signals: [["marker"]], processes: [], modules: [] },
};

export function planFacts(observations: readonly Observation[]): PlanFacts {
  const plan = observations.find(({ source, kind }) => source === "run" && kind === "plan")?.data as
    | Partial<PlanFacts>
    | undefined;
  if (plan === undefined) return none;
  return { ...none, ...plan, reach: phaseIds.find((id) => id === plan.reach) ?? none.reach };
}

/** The markers of a guest, ready to match; what is not a regular expression matches nothing. */
export function compileMarkers(markers: PlanFacts["markers"]): ReadonlyMap<string, RegExp> {
  return new Map(
    Object.entries(markers).flatMap(([name, pattern]): [string, RegExp][] => {
      if (pattern === undefined) return [];
      try {
        return [[name, new RegExp(pattern, "u")]];
      } catch {
        return [];
      }
    }),
  );
}
