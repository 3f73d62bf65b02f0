import { UsageError, errorMessage } from "#core";
import { ipv4 } from "../ipv4.ts";
import type { BootSettings, DhcpConfig } from "./config.ts";
import { DHCP_OPTIONS, IPXE_OPTIONS, encodeOptions, type DhcpOptionValues } from "./options.ts";

/** Options that the protocol itself sets; a configuration that sets them too would make replies that contradict themselves. */
const RESERVED = new Set([50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 82]);

/**
 * Encodes once all that a configuration will ever send, so that a mistake shows when the server starts and not when
 * the first client asks.
 * @throws UsageError that names the value
 */
export function checkConfig(config: DhcpConfig): void {
  const { leaseSeconds } = config;
  if (
    leaseSeconds !== undefined &&
    !(Number.isInteger(leaseSeconds) && leaseSeconds >= 10 && leaseSeconds < 2 ** 32)
  ) {
    throw new UsageError(
      "BAD_LEASE_TIME",
      `DHCP: a lease of ${leaseSeconds} seconds is not 10 seconds or more`,
    );
  }
  checkSettings(config, "DHCP");
  for (const range of config.pool ?? []) checkOptions(range.options, `DHCP pool ${range.first}`);
  for (const { file, nextServer } of config.bootFiles ?? []) {
    if (nextServer !== undefined) ipv4(nextServer, `DHCP boot file ${file}`);
  }
  for (const reservation of config.reservations ?? []) {
    const what = `DHCP reservation of ${reservation.mac}`;
    checkSettings(reservation, what);
    checkOptions({ ...(reservation.hostName !== undefined && { hostName: reservation.hostName }) }, what);
  }
}

function checkSettings({ nextServer, options, rawOptions, ipxe }: BootSettings, what: string): void {
  if (nextServer !== undefined) ipv4(nextServer, `${what}: next server`);
  checkOptions(options, what);
  named(what, () => encodeOptions(IPXE_OPTIONS, ipxe ?? {}));
  for (const code of Object.keys(rawOptions ?? {}).map(Number)) {
    if (!(code >= 1 && code <= 254))
      throw new UsageError("BAD_OPTION", `${what}: there is no option ${code}`);
    refuseReserved(code, what);
  }
}

function checkOptions(options: DhcpOptionValues | undefined, what: string): void {
  for (const code of named(what, () => encodeOptions(DHCP_OPTIONS, options ?? {})).keys())
    refuseReserved(code, what);
}

function refuseReserved(code: number, what: string): void {
  if (RESERVED.has(code)) {
    throw new UsageError(
      "BAD_OPTION",
      `${what}: option ${code} is set by the protocol and cannot be configured`,
    );
  }
}

/** Secrets are among the values, so only what went wrong is told, never the value of a text. */
function named<T>(what: string, encode: () => T): T {
  try {
    return encode();
  } catch (error) {
    throw new UsageError("BAD_OPTION", `${what}: an option has no proper value: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}
