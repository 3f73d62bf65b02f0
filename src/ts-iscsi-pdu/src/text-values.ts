import { ProtocolError } from "./errors.ts";

/**
 * A number in decimal or 0x notation (RFC 7143 §6.1). Throws ProtocolError TEXT_VALUE for anything else, for a
 * number outside `min` to `max`, and for one beyond 2^53, which has no exact JavaScript number.
 */
export function parseNumber(
  value: string,
  range: { readonly min?: number; readonly max?: number } = {},
): number {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = range;
  if (!/^(?:0|[1-9][0-9]*|0[xX][0-9a-fA-F]+)$/.test(value))
    throw bad("number", value, "decimal or 0x digits");
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < min || number > max)
    throw bad("number", value, `${min} to ${max}`);
  return number;
}

/** "Yes" or "No". */
export function parseBoolean(value: string): boolean {
  if (value === "Yes") return true;
  if (value === "No") return false;
  throw bad("boolean", value, "Yes or No");
}

export function writeBoolean(value: boolean): "Yes" | "No" {
  return value ? "Yes" : "No";
}

/** A range "a~b". Throws ProtocolError TEXT_VALUE when it is malformed or upside down. */
export function parseRange(value: string): readonly [low: number, high: number] {
  const parts = value.split("~");
  if (parts.length !== 2) throw bad("range", value, "number~number");
  const low = parseNumber(parts[0] ?? "");
  const high = parseNumber(parts[1] ?? "");
  if (low > high) throw bad("range", value, "low~high");
  return [low, high];
}

/** A list "a,b,c", most preferred first. */
export function parseList(value: string): readonly string[] {
  return value.split(",");
}

export function writeList(values: readonly string[]): string {
  return values.join(",");
}

export interface BinaryOptions {
  /** Most bytes that the decoded value may have. Default 1024, as for a CHAP challenge (RFC 7143 §12.1.3). */
  readonly maxLength?: number;
}

/**
 * A binary value: "0x" and hexadecimal digits, or "0b" and base64 (RFC 7143 §6.1). An odd number of digits has an
 * implied leading zero. Throws ProtocolError TEXT_VALUE; its message never shows the value, it may be a secret's hash.
 */
export function parseBinary(value: string, options: BinaryOptions = {}): Uint8Array {
  const maxLength = options.maxLength ?? 1024;
  const form = value.slice(0, 2).toLowerCase();
  const body = value.slice(2);
  // Refused before anything is allocated: both forms need at least 4 characters for 3 bytes.
  if (body.length > maxLength * 2 + 1)
    throw bad("binary value", `${body.length} digits`, `${maxLength} bytes`);
  const bytes = form === "0x" ? fromHex(body) : form === "0b" ? fromBase64(body) : undefined;
  if (bytes === undefined) throw bad("binary value", `${value.length} characters`, "0x digits or 0b base64");
  if (bytes.length > maxLength) throw bad("binary value", `${bytes.length} bytes`, `${maxLength} bytes`);
  return bytes;
}

export function writeBinary(bytes: Uint8Array, form: "hex" | "base64" = "hex"): string {
  return form === "hex" ? `0x${toHex(bytes)}` : `0b${toBase64(bytes)}`;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

function fromHex(digits: string): Uint8Array | undefined {
  if (!/^[0-9a-fA-F]+$/.test(digits)) return undefined;
  const even = digits.length % 2 === 0 ? digits : `0${digits}`;
  return Uint8Array.from({ length: even.length / 2 }, (_, at) =>
    Number.parseInt(even.slice(at * 2, at * 2 + 2), 16),
  );
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const bits = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    text += sextet(bits, 18) + sextet(bits, 12);
    text += (left > 1 ? sextet(bits, 6) : "=") + (left > 2 ? sextet(bits, 0) : "=");
  }
  return text;
}

function sextet(bits: number, shift: number): string {
  return ALPHABET.charAt((bits >>> shift) & 63);
}

/** Strict: padded to whole groups, nothing after the padding, unused bits zero. */
function fromBase64(text: string): Uint8Array | undefined {
  if (text.length === 0 || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  const digits = text.replace(/=+$/, "");
  const bytes = new Uint8Array(Math.floor((digits.length * 6) / 8));
  let bits = 0;
  let count = 0;
  let at = 0;
  for (const digit of digits) {
    bits = ((bits << 6) | ALPHABET.indexOf(digit)) & 0xffff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes[at] = bits >>> count;
      at += 1;
    }
  }
  return (bits & ((1 << count) - 1)) === 0 ? bytes : undefined;
}

function bad(field: string, got: string, limit: string): ProtocolError {
  return new ProtocolError({
    code: "TEXT_VALUE",
    section: "RFC 7143 §6.1",
    field,
    got: got.slice(0, 80),
    limit,
    message: `not a ${field} of the expected form (${limit})`,
  });
}
