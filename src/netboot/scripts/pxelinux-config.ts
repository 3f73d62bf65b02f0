import { UsageError } from "#core";
import { normalizeMac } from "../mac-address.ts";

/** One entry of a PXELINUX menu. */
export interface PxelinuxEntry {
  readonly label: string;
  /** The line shown in a menu; the label where left out. */
  readonly title?: string;
  /** A kernel, or a program such as `menu.c32`, `memdisk`, `ipxe.lkrn`; none to go on with the local disk. */
  readonly kernel?: string;
  readonly initrds?: readonly string[];
  readonly append?: string;
}

export interface PxelinuxConfig {
  readonly entries: readonly PxelinuxEntry[];
  /** The label that is taken when nothing is typed; the first where left out. */
  readonly default?: string;
  /** Seconds until then; 0 waits for ever, left out does not wait. */
  readonly timeoutSeconds?: number;
  /** The program that shows the entries, e.g. `menu.c32`; a bare prompt where left out. */
  readonly menu?: string;
  readonly title?: string;
  /** Also write to, and read from, the first serial port at this speed. */
  readonly serialBaud?: number;
}

/** A `pxelinux.cfg` file. Throws UsageError for text that would break out of its line. */
export function pxelinuxConfig(config: PxelinuxConfig): string {
  const labels = new Set<string>();
  for (const { label } of config.entries) {
    if (labels.has(word(label))) throw new UsageError("DUPLICATE_LABEL", `PXELINUX: two entries "${label}"`);
    labels.add(label);
  }
  const chosen = config.default ?? config.entries[0]?.label;
  if (chosen === undefined || !labels.has(chosen)) {
    throw new UsageError("UNKNOWN_LABEL", `PXELINUX: no entry "${chosen ?? ""}" to take by default`);
  }
  const lines = [
    // SYSLINUX reads SERIAL only as the first line.
    ...(config.serialBaud === undefined ? [] : [`SERIAL 0 ${wholeNumber(config.serialBaud)}`]),
    ...(config.menu === undefined ? [] : [`UI ${word(config.menu)}`]),
    ...(config.title === undefined ? [] : [`MENU TITLE ${line(config.title)}`]),
    `DEFAULT ${chosen}`,
    `PROMPT ${config.timeoutSeconds === undefined || config.menu !== undefined ? 0 : 1}`,
    ...(config.timeoutSeconds === undefined ? [] : [`TIMEOUT ${wholeNumber(config.timeoutSeconds) * 10}`]),
  ];
  return `${[...lines, ...config.entries.flatMap((entry) => entryLines(entry))].join("\n")}\n`;
}

/** The name under which PXELINUX first looks for its configuration of one machine. */
export function pxelinuxConfigName(mac: string): string {
  return `pxelinux.cfg/01-${normalizeMac(mac).replaceAll(":", "-")}`;
}

function entryLines({ label, title, kernel, initrds = [], append }: PxelinuxEntry): string[] {
  const action =
    kernel === undefined
      ? ["  LOCALBOOT 0"]
      : [
          `  KERNEL ${word(kernel)}`,
          ...(initrds.length === 0 ? [] : [`  INITRD ${initrds.map((name) => initrd(name)).join(",")}`]),
          ...(append === undefined ? [] : [`  APPEND ${line(append)}`]),
        ];
  return [`LABEL ${label}`, ...(title === undefined ? [] : [`  MENU LABEL ${line(title)}`]), ...action];
}

function initrd(name: string): string {
  if (name.includes(","))
    throw new UsageError("BAD_PXELINUX_WORD", `PXELINUX: "${name}" has a comma, which ends an initrd's name`);
  return word(name);
}

function word(text: string): string {
  if (!/^[^\s\p{C}]+$/u.test(text)) {
    throw new UsageError("BAD_PXELINUX_WORD", `PXELINUX: "${text}" must be one word without spaces`);
  }
  return text;
}

function line(text: string): string {
  if (!/^[^\p{C}]+$/u.test(text))
    throw new UsageError("BAD_PXELINUX_LINE", `PXELINUX: "${text}" must be one line`);
  return text;
}

function wholeNumber(value: number): number {
  if (!Number.isInteger(value) || value < 0)
    throw new UsageError("BAD_NUMBER", `PXELINUX: ${value} is no whole number`);
  return value;
}
