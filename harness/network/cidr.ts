import { UsageError, formatIp, parseIp } from "#core";

/** An address together with the length of its network prefix. */
export interface Cidr {
  /** `10.77.0.1/24` */
  readonly text: string;
  /** `10.77.0.1` */
  readonly host: string;
  readonly prefixLength: number;
  /** `10.77.0.0/24` */
  readonly network: string;
}

/** @throws UsageError `BAD_ADDRESS` */
export function parseCidr(text: string, family: 4 | 6): Cidr {
  const [, host = "", length = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const bytes = parseIp(host);
  const prefixLength = Number(length);
  if (bytes?.length !== (family === 4 ? 4 : 16) || length === "" || prefixLength > 8 * bytes.length) {
    throw new UsageError(
      "BAD_ADDRESS",
      `${JSON.stringify(text)} is no IPv${family} address with prefix length, such as ${family === 4 ? "10.77.0.1/24" : "fd77::1/64"}`,
    );
  }
  const masked = bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, prefixLength - 8 * i))));
  return { text, host, prefixLength, network: `${formatIp(masked)}/${prefixLength}` };
}
