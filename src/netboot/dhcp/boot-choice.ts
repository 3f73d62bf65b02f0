import { ipv4 } from "../ipv4.ts";
import type { Wire } from "../wire.ts";
import type { DhcpClient } from "./client.ts";
import type { BootFileRule, DhcpConfig, DhcpReservation } from "./config.ts";

export interface BootChoice {
  readonly file: string;
  /** The TFTP server's address, for `siaddr`. */
  readonly nextServer: number;
}

/** The boot file for this client: its reservation's, else that of the first rule that matches, else the common one. */
export function chooseBoot(
  client: DhcpClient,
  config: DhcpConfig,
  reservation: DhcpReservation | undefined,
  wire: Wire,
): BootChoice | undefined {
  const rule =
    reservation?.bootFile === undefined ? config.bootFiles?.find((rule) => matches(rule, client)) : undefined;
  const file = reservation?.bootFile ?? rule?.file ?? config.bootFile;
  if (file === undefined) return undefined;
  // HTTP boot takes nothing but a URL (UEFI 2.10 §24.7.3.1); an offer with less would only be a dead end.
  if (client.firmware === "http" && !/^https?:\/\//i.test(file)) return undefined;
  const nextServer = rule?.nextServer ?? reservation?.nextServer ?? config.nextServer;
  return { file, nextServer: nextServer === undefined ? wire.ip : ipv4(nextServer, "DHCP next server") };
}

function matches(rule: BootFileRule, client: DhcpClient): boolean {
  return (
    (rule.ipxe === undefined || rule.ipxe === client.ipxe) &&
    (rule.firmware === undefined || rule.firmware === client.firmware) &&
    (rule.architectures === undefined ||
      client.architectures.some((architecture) => rule.architectures?.includes(architecture))) &&
    (rule.userClass === undefined || client.userClasses.includes(rule.userClass)) &&
    (rule.vendorClass === undefined || client.vendorClass?.startsWith(rule.vendorClass) === true)
  );
}
