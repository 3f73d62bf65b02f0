import { lintFirmware } from "./lint-firmware.ts";
import { lintFrame, lintStructures } from "./lint-frame.ts";
import { lintNetwork } from "./lint-network.ts";
import { lintInitiator, lintNics } from "./lint-nics.ts";
import { lintPlace } from "./lint-place.ts";
import { type LintProfile, severityOf } from "./lint-rules.ts";
import { type LintContext, Scene } from "./lint-scene.ts";
import { lintTargets } from "./lint-targets.ts";
import type { Finding } from "./model.ts";
import { readIbft } from "./read.ts";

export interface LintOptions {
  /** Whose needs count: the specification's (the default), Windows' or Linux'. */
  readonly profile?: LintProfile;
  readonly context?: LintContext;
}

/**
 * Checks a table by all rules: its frame, its structures, what they say, and, as far as `context` tells, whether that
 * fits the machine and the network. Never throws, whatever the bytes are.
 */
export function lintIbft(bytes: Uint8Array, options: LintOptions = {}): readonly Finding[] {
  const profile = options.profile ?? "spec";
  const { table, findings } = readIbft(bytes);
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const scene = new Scene(all, table, profile, options.context ?? {});
  for (const finding of findings) {
    scene.findings.push({ ...finding, severity: severityOf(finding.rule, profile) });
  }
  lintFrame(scene);
  lintStructures(scene);
  lintInitiator(scene);
  lintNics(scene);
  lintTargets(scene);
  lintPlace(scene);
  lintNetwork(scene);
  lintFirmware(scene);
  return scene.findings;
}
