import { type FieldPlace, fieldPlaces } from "./fields.ts";
import { type LintProfile, type RuleId, adviceOf, predictionOf, severityOf } from "./lint-rules.ts";
import type { Finding, Ibft, Severity } from "./model.ts";

/** What is known about the machine and the network that a table is for; all of it optional. */
export interface LintContext {
  readonly firmware?: "bios" | "uefi" | undefined;
  /** Physical address of the table, and whether ACPI lists it. */
  readonly address?: number | undefined;
  readonly acpi?: boolean | undefined;
  /** How many tables an operating system finds. */
  readonly tables?: number | undefined;
  /** KiB of base memory that the BIOS reports to loaders and systems (40:13, INT 12h). */
  readonly baseMemory?: number | undefined;
  /** What the firmware tells of memory (INT 15h E820, the UEFI memory map): `to` is the last byte. */
  readonly memoryMap?: readonly MemoryRange[] | undefined;
  /** False where a look at memory, after the firmware was done, found other bytes at `address`. */
  readonly intact?: boolean | undefined;
  /** What the firmware printed. */
  readonly console?: string | undefined;
  /** The commands that the firmware was given. */
  readonly script?: string | undefined;
  /** The paths to the disk that the firmware was told of, and what came of each. */
  readonly paths?: readonly ContextPath[] | undefined;
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
  /** With a segment in front where that is not 0000. */
  readonly pci?: string | undefined;
  /** The address that DHCP gives this port. */
  readonly ip?: string | undefined;
  readonly vlan?: number | undefined;
}

export interface MemoryRange {
  readonly from: number;
  readonly to: number;
  readonly kind: "usable" | "reserved" | "acpi";
}

export interface ContextPath {
  readonly ip: string;
  readonly name?: string | undefined;
  readonly state: "up" | "down" | "aborted";
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
    const said = `${message}${predictionOf(rule)}`;
    this.findings.push({ rule, severity, offset, field, message: said, advice: adviceOf(rule) });
  }
}
