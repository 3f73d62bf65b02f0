import { phases, phaseIds, type PhaseId, type Verdict } from "#harness/verdict";

/** Escape sequences around text, or the text alone where there are no colours. */
export type Paint = (text: string, style: "good" | "bad" | "weak" | "strong") => string;

export function painter(colours: boolean): Paint {
  const codes = { good: 32, bad: 31, weak: 2, strong: 1 } as const;
  return (text, style) => (colours ? `\u001b[${codes[style]}m${text}\u001b[0m` : text);
}

/** A verdict for people: one sentence, the phase table, the iBFT, the advice, where the evidence lies. */
export function renderVerdict(
  verdict: Verdict,
  options: { readonly paint: Paint; readonly ibftText?: string; readonly folder: string },
): string {
  const { paint } = options;
  const style = verdict.outcome === "pass" ? "good" : "bad";
  const title =
    verdict.class === null
      ? verdict.outcome.toUpperCase()
      : `${verdict.outcome.toUpperCase()} ${verdict.class} (${verdict.confidence})`;
  return [
    `${paint(title, style)}: ${verdict.summary}`,
    ...(verdict.advice === "" ? [] : [`${paint("advice", "strong")}: ${verdict.advice}`]),
    "",
    ...phaseTable(verdict, paint),
    ...(options.ibftText === undefined
      ? []
      : ["", paint("the iBFT that the firmware wrote", "strong"), ...indent(options.ibftText)]),
    ...(verdict.outcome === "pass" || verdict.evidence.length === 0
      ? []
      : [
          "",
          paint("evidence", "strong"),
          ...verdict.evidence.map((item) => `  ${seconds(item.t)}  ${item.source}: ${item.text}`),
        ]),
    "",
    `run folder: ${options.folder}`,
  ].join("\n");
}

/** One line for a phase as it is reached. */
export function renderPhase(phase: PhaseId, t: number, paint: Paint): string {
  return `${seconds(t)}  ${paint(phase.padEnd(3), "strong")} ${phases[phase]}`;
}

function phaseTable(verdict: Verdict, paint: Paint): readonly string[] {
  let previous = 0;
  return phaseIds.flatMap((phase) => {
    const t = verdict.timings[phase];
    if (t === undefined) return [];
    // Sources see things with different delays: a phase may be told a moment after its successor.
    const step = t < previous ? "" : `+${(t - previous).toFixed(2)}`;
    previous = Math.max(previous, t);
    return [
      `${seconds(t)}  ${paint(phase.padEnd(3), "strong")} ${phases[phase].padEnd(30)} ${paint(step, "weak")}`.trimEnd(),
    ];
  });
}

function indent(text: string): readonly string[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => `  ${line}`);
}

function seconds(t: number): string {
  return `${t.toFixed(2).padStart(7)} s`;
}
