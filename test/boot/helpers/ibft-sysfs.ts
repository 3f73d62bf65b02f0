import { formatIp, parseIp } from "#core";
import type { Ibft } from "#ibft";

type Pairs = readonly (readonly [file: string, value: string | null])[];

const addresses = (...pairs: Pairs) =>
  pairs.flatMap(([name, ip]) => (ip === null ? [] : [[name, longAddress(ip)] as const]));
const strings = (...pairs: Pairs) => pairs.filter(([, text]) => text !== null);

/** What Linux' iscsi_ibft shows of a model: it leaves out null addresses, a zero prefix and absent strings. */
export function sysfs(table: Ibft): string[] {
  const { initiator, nics, targets } = table;
  const folders: (readonly [string, readonly (readonly [string, string | number | null])[]])[] = [
    [
      "acpi_header",
      [
        ["signature", table.signature],
        ["oem_id", table.oemId],
        ["oem_table_id", table.oemTableId],
      ],
    ],
    [
      "initiator",
      [
        ["index", initiator!.index],
        ["flags", initiator!.flags],
        ...addresses(
          ["isns-server", initiator!.isns],
          ["slp-server", initiator!.slp],
          ["pri-radius-server", initiator!.radius1],
          ["sec-radius-server", initiator!.radius2],
        ),
        ...strings(["initiator-name", initiator!.name]),
      ],
    ],
  ];
  for (const nic of nics) {
    folders.push([
      `ethernet${nic.index}`,
      [
        ["index", nic.index],
        ["flags", nic.flags],
        ["origin", nic.origin],
        ["vlan", nic.vlan],
        ["mac", nic.mac],
        ...(nic.prefix === 0
          ? []
          : ([
              ["prefix-len", nic.prefix],
              ["subnet-mask", mask(nic.prefix)],
            ] as const)),
        ...addresses(
          ["ip-addr", nic.ip],
          ["gateway", nic.gateway],
          ["primary-dns", nic.dns1],
          ["secondary-dns", nic.dns2],
          ["dhcp", nic.dhcp],
        ),
        ...strings(["hostname", nic.hostname]),
      ],
    ]);
  }
  for (const target of targets) {
    folders.push([
      `target${target.index}`,
      [
        ["index", target.index],
        ["flags", target.flags],
        ["port", target.port],
        ["lun", [...Buffer.from(target.lun, "hex")].map((byte) => byte.toString(16)).join("")],
        ["chap-type", target.chapType],
        ["nic-assoc", target.nic],
        ...addresses(["ip-addr", target.ip]),
        ...strings(
          ["target-name", target.name],
          ["chap-name", target.chapName],
          ["chap-secret", target.chapSecret && "<redacted>"],
          ["rev-chap-name", target.reverseChapName],
          ["rev-chap-name-secret", target.reverseChapSecret && "<redacted>"],
        ),
      ],
    ]);
  }
  return folders
    .flatMap(([name, files]) => files.map(([file, value]) => `${name}/${file}=${value}`))
    .toSorted();
}

/** Linux prints IPv6 addresses in full. */
function longAddress(ip: string): string {
  const bytes = Buffer.from(parseIp(ip)!);
  return bytes.length === 4 ? formatIp(bytes) : bytes.toString("hex").replaceAll(/.{4}(?=.)/g, "$&:");
}

function mask(prefix: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE((0xffff_ffff << Math.max(0, 32 - prefix)) >>> 0);
  return bytes.join(".");
}

/** What debian-mini's show-ibft printed of /sys/firmware/ibft, but for the device that a PCI address leads to. */
export function shownLines(serial: string): string[] {
  const lines = serial.split("\n").flatMap((line) => /ibft: (\S+\/\S+=.*?)\s*$/.exec(line)?.[1] ?? []);
  return lines.filter((line) => !line.includes("/device=")).toSorted();
}
