import type { Observation } from "#harness/observe";
import type { BootFacts } from "./boot-facts.ts";
import type { Diagnosis } from "./diagnosis.ts";

interface Finding {
  readonly rule: string;
  readonly severity: string;
  readonly field: string;
  readonly message: string;
  readonly advice: string;
}

/** Classes of wrong tables, and the rules of the lint whose breach makes a table one of them; the first that fits. */
const classes: readonly (readonly [name: string, rules: readonly string[]])[] = [
  ["IBFT-CHECKSUM", ["R04"]],
  ["IBFT-CONTROL", ["R14", "R15", "R16"]],
  ["IBFT-INDEX", ["R35", "R60"]],
  ["IBFT-JUMBLED", ["R47", "R48"]],
  ["IBFT-FLAGS", ["R17", "R26", "R33", "R34", "R59"]],
];

/**
 * A kernel that started and never logged in, with a table in memory that is wrong by itself or by what the machine is:
 * the lint knows which. Where the table is as it should be, this says nothing.
 */
export function wrongTable(facts: BootFacts): Diagnosis | undefined {
  const { reached, system, markers } = facts;
  if (!reached.has("P10") || system?.fullFeatureAt !== undefined) return undefined;
  const tables = tablesInReach(facts);
  const several = differentTables(tables);
  if (several !== undefined) return several;
  for (const [name, rules] of classes) {
    for (const table of tables) {
      const finding = findingsOf(table).find(
        ({ rule, severity }) => rules.includes(rule) && (severity === "fatal" || severity === "error"),
      );
      if (finding === undefined) continue;
      return {
        class: name,
        // A kernel that saw no table, or says what is wrong with it, leaves no other reason.
        confidence: markers.has("ibftMissing") || kernelWords(facts).length > 0 ? "certain" : "likely",
        cause: `the iBFT at ${at(table)} is wrong: ${finding.field}: ${finding.message} (${finding.rule})`,
        advice: finding.advice,
        evidence: [table, ...kernelWords(facts), markers.get("ibftMissing")].filter(
          (one) => one !== undefined,
        ),
      };
    }
  }
  return undefined;
}

/** A kernel that looked for a table and found none of those that lie in memory. */
export function tableOutOfReach({ reached, markers, ibft, plan }: BootFacts): Diagnosis | undefined {
  if (!reached.has("P10") || reached.has("P11") || reached.has("P12") || ibft === undefined) return undefined;
  return {
    class: plan.uefi ? "UEFI-IBFT-LOCATION" : "IBFT-LOCATION",
    confidence: markers.has("ibftMissing") ? "certain" : "likely",
    cause: `an iBFT lies at ${at(ibft)}, but the kernel did not find it`,
    advice: plan.uefi
      ? "Under UEFI the iBFT must be an ACPI table that RSDT or XSDT lists: nothing scans low memory."
      : "A BIOS kernel scans 512 KiB to 1 MiB on 16-byte steps: free base memory, or move the table up.",
    evidence: [markers.get("ibftMissing"), markers.get("kernelStarted"), ibft].filter(
      (one) => one !== undefined,
    ),
  };
}

/** Tables that a system on this firmware comes across: one in low memory under UEFI, or too low on a BIOS, is not. */
function tablesInReach({ all, plan }: BootFacts): readonly Observation[] {
  const latest = new Map<unknown, Observation>();
  for (const one of all) {
    if (one.source !== "memory" || one.kind !== "ibft") continue;
    const { address, by } = one.data;
    if (by === "acpi" || (by === "bios" && !plan.uefi)) latest.set(address, one);
  }
  return [...latest.values()];
}

/** Two tables that say the same do no harm. */
function differentTables(tables: readonly Observation[]): Diagnosis | undefined {
  const valid = tables.filter(({ data }) => data["valid"] === true);
  if (new Set(valid.map(({ data }) => JSON.stringify(data["table"]))).size < 2) return undefined;
  return {
    class: "IBFT-MULTIPLE",
    confidence: "likely",
    cause: `there are ${valid.length} iBFTs (${valid.map(at).join(", ")}) that say different things, and the kernel takes the first it finds`,
    advice: "Disable the boot ROM that is not used, so that one table is left.",
    evidence: valid,
  };
}

function findingsOf({ data }: Observation): readonly Finding[] {
  return Array.isArray(data["lint"]) ? (data["lint"] as readonly Finding[]) : [];
}

/** Lines of Linux' iscsi_ibft about a table that it refuses. */
function kernelWords({ all }: BootFacts): readonly Observation[] {
  return all
    .filter(
      ({ source, data }) =>
        source === "serial" &&
        /iBFT (?:error|has incorrect checksum)|(?:Control|Initiator) header is invalid|iBFT module supports only/i.test(
          String(data["line"]),
        ),
    )
    .slice(0, 2);
}

function at({ data }: Observation): string {
  return `0x${Number(data["address"]).toString(16)}`;
}
