import { isIPv6 } from "node:net";
import { UsageError } from "#core";

/** An iSCSI disk as a DHCP root-path names it. */
export interface RootPath {
  /** Host name, IPv4 or IPv6 address (without brackets). */
  readonly server: string;
  /** Default 3260. */
  readonly port?: number;
  /** Logical unit number, 0 to 16383; default 0. */
  readonly lun?: number;
  /** The target's iSCSI name. */
  readonly target: string;
}

/**
 * `iscsi:server:protocol:port:lun:target` (RFC 4173 §5), fields left empty where they have their default, the protocol
 * (TCP is the only one) always. The LUN is hexadecimal: the first two bytes of its SAM encoding, peripheral device
 * addressing below 256 and flat space addressing from there on, which is how iPXE and Linux read it.
 * @throws UsageError for what cannot be a server, port, LUN or iSCSI name
 */
export function formatRootPath({ server, port, lun = 0, target }: RootPath): string {
  if (!isIPv6(server) && !/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/i.test(server)) {
    throw new UsageError("BAD_ROOT_PATH", `root-path: "${server}" is no host name or address`);
  }
  if (port !== undefined && (!Number.isInteger(port) || port < 1 || port > 65_535)) {
    throw new UsageError("BAD_ROOT_PATH", `root-path: ${port} is no port`);
  }
  if (!Number.isInteger(lun) || lun < 0 || lun > 0x3fff) {
    throw new UsageError("BAD_ROOT_PATH", `root-path: LUN ${lun} is not 0 to 16383`);
  }
  const host = isIPv6(server) ? `[${server}]` : server;
  const portText = port === undefined || port === 3260 ? "" : String(port);
  return `iscsi:${host}::${portText}:${lunText(lun)}:${checkIscsiName(target)}`;
}

/** iSCSI names have no characters that any script or option could take for its own (RFC 3720 §3.2.6.2, RFC 3722). */
export function checkIscsiName(name: string): string {
  if (!/^(?:iqn|eui|naa)\.[^\s\p{C}"'\\$;&|<>#`]{1,219}$/u.test(name)) {
    throw new UsageError(
      "BAD_ISCSI_NAME",
      `"${name}" is no iSCSI name; write it as iqn.2024-01.com.example:disk`,
    );
  }
  return name;
}

function lunText(lun: number): string {
  if (lun === 0) return "";
  return lun < 256 ? lun.toString(16) : (0x4000 | lun).toString(16);
}
