import { UsageError } from "#core";

/** Lower-case, with colons: the one form in which hardware addresses are compared and reported. */
export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** Takes `52:54:00:12:34:56`, `52-54-00-12-34-56` or `525400123456` and gives the form with colons. */
export function normalizeMac(text: string): string {
  const digits = text.replaceAll(/[:-]/g, "").toLowerCase();
  if (!/^(?:[0-9a-f]{2}){1,16}$/.test(digits)) {
    throw new UsageError("BAD_MAC", `"${text}" is no hardware address; write it as 52:54:00:12:34:56`);
  }
  return (digits.match(/../g) ?? []).join(":");
}

export function parseMac(text: string): Uint8Array {
  return Uint8Array.from(normalizeMac(text).split(":"), (byte) => Number.parseInt(byte, 16));
}
