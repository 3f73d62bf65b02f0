export const median = (list: readonly number[]): number => {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
};

/** The median of what each round says of two by itself: what else the machine does strikes both sides of a round. */
export const medianRatio = (ours: readonly number[], theirs: readonly number[]): number =>
  median(ours.map((figure, round) => figure / (theirs[round] ?? Number.NaN)));

/** "1.31 (goal ≥ 1.25, reached)" */
export function againstGoal(ratio: number, comparison: "≥" | "≤", goal: number): string {
  const reached = comparison === "≥" ? ratio >= goal : ratio <= goal;
  return `${ratio.toFixed(2)} (goal ${comparison} ${goal.toFixed(2)}, ${reached ? "reached" : "MISSED"})`;
}
