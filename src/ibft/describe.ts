import {
  BlockFlag,
  ChapType,
  type Ibft,
  type IbftInitiator,
  type IbftNic,
  type IbftTarget,
} from "./model.ts";
import { StructureId } from "./structures.ts";
import { lunNumber } from "./values.ts";

export interface DescribeOptions {
  /** Shows CHAP secrets; they read `<redacted>` otherwise. */
  readonly secrets?: boolean;
}

const REDACTED = "<redacted>";
const ORIGINS: Readonly<Record<number, string>> = {
  0: "other",
  1: "manual",
  2: "well-known",
  3: "DHCP",
  4: "router advertisement",
  15: "unchanged",
  16: "unchanged",
};
const CHAP_TYPES: Readonly<Record<number, string>> = { 0: "none", 1: "one-way", 2: "mutual" };

/** A table as some lines for people, without a newline at the end. */
export function describeIbft(table: Ibft, options: DescribeOptions = {}): string {
  const head =
    `${table.signature}, ${table.length} bytes, revision ${table.revision}, ` +
    `OEM "${table.oemId}" "${table.oemTableId}"`;
  return [
    head,
    ...(table.initiator === null ? ["  no initiator"] : describeInitiator(table.initiator)),
    ...table.nics.flatMap(describeNic),
    ...table.targets.flatMap((target, i) => describeTarget(target, i, options)),
    ...table.extensions.map(({ id, data, offset }) => `  structure ${id} at ${offset}: ${data}`),
  ].join("\n");
}

/** The model as JSON data: numbers as numbers, addresses as text, names beside codes. */
export function ibftJson(table: Ibft, options: DescribeOptions = {}): Readonly<Record<string, unknown>> {
  const secret = (value: string | null) => (value === null || options.secrets === true ? value : REDACTED);
  return {
    ...table,
    initiator: table.initiator && { ...table.initiator, ...flagsJson(table.initiator.flags) },
    nics: table.nics.map((nic) => ({
      ...nic,
      ...flagsJson(nic.flags),
      globalAddress: (nic.flags & BlockFlag.GlobalAddress) !== 0,
      originName: ORIGINS[nic.origin] ?? null,
    })),
    targets: table.targets.map((target) => ({
      ...target,
      ...flagsJson(target.flags),
      lunNumber: lunNumber(target.lun) ?? null,
      chap: CHAP_TYPES[target.chapType] ?? null,
      chapSecret: secret(target.chapSecret),
      reverseChapSecret: secret(target.reverseChapSecret),
    })),
  };
}

function flagsJson(flags: number) {
  return { valid: (flags & BlockFlag.Valid) !== 0, bootSelected: (flags & BlockFlag.BootSelected) !== 0 };
}

function describeInitiator(initiator: IbftInitiator): readonly string[] {
  const servers = (["isns", "slp", "radius1", "radius2"] as const)
    .filter((server) => initiator[server] !== null)
    .map((server) => `${server} ${initiator[server]}`);
  return [
    line(
      "initiator",
      `${initiator.name ?? "without a name"} ${flagsText(initiator.flags, StructureId.Initiator)}`,
    ),
    ...(servers.length === 0 ? [] : [line("", servers.join(", "))]),
  ];
}

function describeNic(nic: IbftNic, position: number): readonly string[] {
  const vlan = nic.vlan === 0 ? "" : `, VLAN ${nic.vlan}`;
  const address =
    nic.ip === null
      ? `no address (origin ${ORIGINS[nic.origin] ?? nic.origin})`
      : `${nic.ip}/${nic.prefix} (${ORIGINS[nic.origin] ?? nic.origin})`;
  const also = (["gateway", "dhcp", "dns1", "dns2"] as const)
    .filter((name) => nic[name] !== null)
    .map((name) => `, ${name} ${nic[name]}`)
    .join("");
  return [
    line(
      `NIC ${position}`,
      `${nic.mac} at PCI ${nic.pci}${vlan} ${flagsText(nic.flags, StructureId.Nic, nic.index)}`,
    ),
    line("", `${address}${also}${nic.hostname ? `, host name ${nic.hostname}` : ""}`),
  ];
}

function describeTarget(target: IbftTarget, position: number, options: DescribeOptions): readonly string[] {
  const host = target.ip?.includes(":") ? `[${target.ip}]` : (target.ip ?? "no address");
  const lun = lunNumber(target.lun) ?? `0x${target.lun}`;
  return [
    line(
      `target ${position}`,
      `${host}:${target.port} LUN ${lun} by NIC ${target.nic} ${flagsText(target.flags, StructureId.Target, target.index)}`,
    ),
    line("", target.name ?? "without a name"),
    line("", chapText(target, options)),
  ];
}

function chapText(target: IbftTarget, { secrets = false }: DescribeOptions): string {
  const credentials = [
    [target.chapName, target.chapSecret],
    [target.reverseChapName, target.reverseChapSecret],
  ] as const;
  const shown = credentials
    .filter(([name, secret]) => name !== null || secret !== null)
    .map(([name, secret]) => `${name ?? "-"} / ${secret === null ? "-" : secrets ? secret : REDACTED}`);
  if (target.chapType === ChapType.None && shown.length === 0) return "no CHAP";
  return [`CHAP ${CHAP_TYPES[target.chapType] ?? target.chapType}`, ...shown].join(", ");
}

function flagsText(flags: number, id: number, index = 0): string {
  const words = [
    (flags & BlockFlag.Valid) === 0 ? "not valid" : "valid",
    ...((flags & BlockFlag.BootSelected) === 0 ? [] : ["boot-selected"]),
    ...(id === StructureId.Nic && (flags & BlockFlag.GlobalAddress) !== 0 ? ["global address"] : []),
    ...(id === StructureId.Target && (flags & BlockFlag.RadiusChap) !== 0 ? ["Radius CHAP"] : []),
    ...(id === StructureId.Target && (flags & BlockFlag.RadiusReverseChap) !== 0
      ? ["Radius reverse CHAP"]
      : []),
  ];
  return `(${id === StructureId.Initiator ? "" : `index ${index}, `}${words.join(", ")})`;
}

function line(label: string, text: string): string {
  return `  ${label.padEnd(10)} ${text}`;
}
