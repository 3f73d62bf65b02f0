import { type FieldPlace, fieldPlaces } from "./fields.ts";
import { type LintProfile, type RuleId, adviceOf, severityOf } from "./lint-rules.ts";
import type { Finding, Ibft, Severity } from "./model.ts";

/** What is known about the machine and the network that a table is for; all of it optional. */
export interface LintContext {
  readonly firmware?: "bios" | "uefi" | undefined;
  /** Physical address of the table, and whether ACPI lists it. */
  readonly address?: number | undefined;
  readonly acpi?: boolean | undefined;
  /** How many tables an operating system finds. */
  readonly tables?: number | undefined;
  /** The initiator name of the firmware's own login. */
  readonly initiator?: string | undefined;
  /** In the order of the machine's PCI bus. */
  readonly nics?: readonly ContextNic[] | undefined;
  /** MAC address of the NIC that the system was installed with. */
  readonly installedOn?: string | undefined;
  readonly target?: ContextTarget | undefined;
  /** Gateways and whether they answer. */
  readonly gateways?: Readonly<Record<string, "alive" | "dead">> | undefined;
}

export interface ContextNic {
  readonly mac: string;
  readonly pci?: string | undefined;
  /** The address that DHCP gives this port. */
  readonly ip?: string | undefined;
  readonly vlan?: number | undefined;
}

interface ContextTarget {
  readonly asksChap?: boolean | undefined;
  /** The portal after a redirect, and the address asked first. */
  readonly redirectedFrom?: string | undefined;
}

/** What the rules look at, and where they say what they find. */
export class Scene {
  readonly bytes: Buffer;
  readonly table: Ibft;
  readonly profile: LintProfile;
  readonly context: LintContext;
  readonly findings: Finding[] = [];
  readonly #places: ReadonlyMap<string, FieldPlace>;

  constructor(bytes: Buffer, table: Ibft, profile: LintProfile, context: LintContext) {
    this.bytes = bytes;
    this.table = table;
    this.profile = profile;
    this.context = context;
    const positions = {
      initiator: table.initiator?.offset ?? 0,
      nics: table.nics.map(({ offset }) => offset),
      targets: table.targets.map(({ offset }) => offset),
    };
    this.#places = new Map(fieldPlaces(positions).map((place) => [place.path, place]));
  }

  say(
    rule: RuleId,
    field: string,
    message: string,
    severity: Severity = severityOf(rule, this.profile),
  ): void {
    const offset = this.#places.get(field)?.offset ?? this.#places.get(`${field}.id`)?.offset ?? 0;
    this.findings.push({ rule, severity, offset, field, message, advice: adviceOf(rule) });
  }
}
