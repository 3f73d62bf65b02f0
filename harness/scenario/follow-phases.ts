import type { Timeline } from "#harness/observe";
import { inOrder } from "#harness/observe";
import { gatherFacts, type PhaseId } from "#harness/verdict";

const intervalMs = 300;

/**
 * Tells each phase once, when the timeline so far first evidences it, with seconds since the machine's start. The facts
 * are gathered anew from the whole timeline, so that live display and verdict cannot disagree; a few times a second is
 * often enough for people.
 */
export function followPhases(timeline: Timeline, tell: (phase: PhaseId, t: number) => void): Disposable {
  const told = new Set<PhaseId>();
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    timer = undefined;
    const { reached, startedAt } = gatherFacts(inOrder(timeline.observations));
    for (const [phase, { t }] of reached) {
      if (told.has(phase)) continue;
      told.add(phase);
      tell(phase, Math.max(0, t - (startedAt ?? 0)));
    }
  };
  const following = timeline.follow(() => (timer ??= setTimeout(look, intervalMs)));
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      following[Symbol.dispose]();
    },
  };
}
