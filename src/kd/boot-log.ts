import { bootRules, type BootDriver } from "./boot-log-rules.ts";
import { LineJoiner } from "./line-joiner.ts";

/** What one line of a boot driver says. `values` holds the parts of the line as they were printed. */
export interface BootFact {
  readonly driver: BootDriver;
  readonly kind: string;
  readonly values: Readonly<Record<string, string>>;
  /** The section of the table that the line belongs to, as `NIC 0`. */
  readonly section?: string;
}

/** One structure of the table as the driver printed it; `fields` by the driver's own names, such as `IP`. */
export interface BootSection {
  readonly index: number;
  readonly valid: boolean;
  readonly selected: boolean;
  readonly fields: Readonly<Record<string, string>>;
}

export interface BootLog {
  readonly facts: readonly BootFact[];
  /** Where the table was found in physical memory; Microsoft's driver maps it from 0x80000. */
  readonly table?: { readonly physical: number; readonly oemId?: string; readonly oemTableId?: string };
  readonly initiators: readonly BootSection[];
  readonly nics: readonly BootSection[];
  readonly targets: readonly BootSection[];
  /** What the drivers said of the network cards that they found, by interface. */
  readonly interfaces: readonly string[];
  /** NTSTATUS of configuring each card, by its index; 0 is success. */
  readonly nicStatuses: Readonly<Record<number, number>>;
  /** How often the disk was waited for, and how that ended. */
  readonly diskWait?: { readonly attempts: number; readonly outcome?: "found" | "given-up" };
  /** The initiator's last word; a status of 0 is success. */
  readonly bootStatus?: { readonly status: number; readonly details: readonly number[] };
}

const mappedBase = 0x8_0000;

/** Recognises the lines that the boot drivers print, whatever else is between them. */
export class BootLogReader {
  #section: string | undefined;

  /** What a line says, or undefined for one that is nobody's. */
  read(line: string): BootFact | undefined {
    for (const { driver, kind, pattern } of bootRules) {
      const found = pattern.exec(line);
      if (found === null) continue;
      const values = definedGroups(found.groups ?? {});
      if (kind === "section") {
        this.#section = `${values["section"]} ${values["index"]}`;
        return { driver, kind, values, section: this.#section };
      }
      return { driver, kind, values };
    }
    return this.#field(line);
  }

  /** `Name = value` within a section. A secret that a driver did not leave out itself is left out here. */
  #field(line: string): BootFact | undefined {
    if (this.#section === undefined) return undefined;
    const found = /^\s*(?<name>[A-Za-z][A-Za-z ]*?) = ?(?<value>.*?)\s*$/.exec(line)?.groups;
    const { name, value } = found ?? {};
    if (name === undefined || value === undefined) return undefined;
    const hidden = /secret/i.test(name) && value !== "" && value !== "<omitted>";
    return {
      driver: "sanbootconf",
      kind: "field",
      values: { name, value: hidden ? "<redacted>" : value },
      section: this.#section,
    };
  }
}

/** Reads a whole transcript: a debugger's, or what it was made of. */
export function readBootLog(text: string): BootLog {
  const reader = new BootLogReader();
  const facts: BootFact[] = [];
  const joiner = new LineJoiner((line) => {
    const fact = reader.read(line);
    if (fact !== undefined) facts.push(fact);
  });
  joiner.push(text);
  joiner.flush();
  return summarise(facts);
}

function summarise(facts: readonly BootFact[]): BootLog {
  const of = (kind: string) => facts.filter((fact) => fact.kind === kind);
  const table = tableOf(of("table"));
  const waits = of("disk-wait");
  const outcome =
    of("disk-found").length > 0 ? "found" : of("disk-given-up").length > 0 ? "given-up" : undefined;
  const status = of("boot-status").at(-1)?.values;
  return {
    facts,
    ...(table === undefined ? {} : { table }),
    initiators: sections(facts, "Initiator"),
    nics: sections(facts, "NIC"),
    targets: sections(facts, "target"),
    interfaces: [...new Set(of("nic-found").map((fact) => fact.values["interface"] ?? ""))],
    nicStatuses: nicStatuses(facts),
    ...(waits.length === 0
      ? {}
      : {
          diskWait: {
            attempts: Math.max(...waits.map((fact) => Number(fact.values["attempt"]))),
            ...(outcome === undefined ? {} : { outcome }),
          },
        }),
    ...(status === undefined
      ? {}
      : {
          bootStatus: {
            status: fromHex(status["status"]),
            details: (status["details"] ?? "").split(", ").map(fromHex),
          },
        }),
  };
}

function tableOf(found: readonly BootFact[]): BootLog["table"] {
  const values = found.find((fact) => (fact.values["signature"] ?? "iBFT") === "iBFT")?.values;
  if (values === undefined) return undefined;
  const { physical, oemId, oemTableId } = values;
  if (physical !== undefined)
    return {
      physical: fromHex(physical),
      ...(oemId === undefined ? {} : { oemId }),
      ...(oemTableId === undefined ? {} : { oemTableId }),
    };
  return { physical: mappedBase + fromHex(values["virtual"]) - fromHex(values["mapped"]) };
}

function sections(facts: readonly BootFact[], kind: string): readonly BootSection[] {
  const heads = facts.filter((fact) => fact.kind === "section" && fact.values["section"] === kind);
  return heads.map(({ section, values }) => {
    const fields: Record<string, string> = {};
    for (const fact of facts)
      if (fact.kind === "field" && fact.section === section)
        fields[fact.values["name"] ?? ""] = fact.values["value"] ?? "";
    const flags = fields["Flags"] ?? "";
    return {
      index: Number(values["index"]),
      valid: flags.includes(", valid"),
      selected: flags.includes(", boot selected"),
      fields,
    };
  });
}

function nicStatuses(facts: readonly BootFact[]): Readonly<Record<number, number>> {
  const statuses: Record<number, number> = {};
  for (const { kind, values } of facts) {
    const index = Number(values["index"]);
    if (kind === "nic-configured") statuses[index] = 0;
    if (kind === "nic-not-configured" || kind === "nic-result") statuses[index] = fromHex(values["status"]);
  }
  return statuses;
}

function fromHex(digits: string | undefined): number {
  return Number.parseInt(digits ?? "", 16);
}

function definedGroups(groups: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(groups)) if (value !== undefined) values[name] = value;
  return values;
}
