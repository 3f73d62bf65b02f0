import { u16, u24, u8, putU16, putU24 } from "./bytes.ts";

/**
 * The 6-byte Initiator Session ID in its four forms (RFC 7143 §11.12.5). `qualifier` is what the owner of the
 * naming authority chooses; a session is reinstated only under the very same ISID.
 */
export type Isid =
  | { readonly form: "oui"; readonly oui: number; readonly qualifier: number }
  | { readonly form: "en"; readonly enterpriseNumber: number; readonly qualifier: number }
  | { readonly form: "random"; readonly random: number; readonly qualifier: number }
  | {
      readonly form: "reserved";
      readonly a: number;
      readonly b: number;
      readonly c: number;
      readonly d: number;
    };

export const ISID_LENGTH = 6;

/** Takes apart the 6 bytes at `at`: T (2 bits), A (6 bits), B (2 bytes), C (1 byte), D (2 bytes). */
export function decodeIsid(bytes: Uint8Array, at = 0): Isid {
  const type = u8(bytes, at) >>> 6;
  const a = u8(bytes, at) & 0x3f;
  const b = u16(bytes, at + 1);
  const c = u8(bytes, at + 3);
  const d = u16(bytes, at + 4);
  // The OUI form: 22 bits of the OUI in A and B, its I/G and U/L bits left out, a 24-bit qualifier in C and D.
  if (type === 0) return { form: "oui", oui: (a << 16) | b, qualifier: (c << 16) | d };
  if (type === 1 && a === 0) return { form: "en", enterpriseNumber: u24(bytes, at + 1), qualifier: d };
  if (type === 2 && a === 0) return { form: "random", random: u24(bytes, at + 1), qualifier: d };
  return { form: "reserved", a: u8(bytes, at), b, c, d };
}

/** Six bytes. Throws a RangeError for a part that does not fit. */
export function encodeIsid(isid: Isid): Uint8Array {
  const bytes = new Uint8Array(ISID_LENGTH);
  if (isid.form === "oui") {
    putU24(bytes, 0, part("oui", isid.oui, 0x3f_ffff));
    putU24(bytes, 3, part("qualifier", isid.qualifier, 0xff_ffff));
  } else if (isid.form === "reserved") {
    bytes[0] = part("a", isid.a, 0xff);
    putU16(bytes, 1, part("b", isid.b, 0xffff));
    bytes[3] = part("c", isid.c, 0xff);
    putU16(bytes, 4, part("d", isid.d, 0xffff));
  } else {
    const [type, middle] =
      isid.form === "en"
        ? ([0x40, part("enterpriseNumber", isid.enterpriseNumber, 0xff_ffff)] as const)
        : ([0x80, part("random", isid.random, 0xff_ffff)] as const);
    bytes[0] = type;
    putU24(bytes, 1, middle);
    putU16(bytes, 4, part("qualifier", isid.qualifier, 0xffff));
  }
  return bytes;
}

/** Twelve hexadecimal digits, the usual way to print an ISID. */
export function formatIsid(bytes: Uint8Array, at = 0): string {
  let text = "";
  for (let index = at; index < at + ISID_LENGTH; index += 1)
    text += u8(bytes, index).toString(16).padStart(2, "0");
  return text;
}

function part(name: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new RangeError(`ISID ${name} ${value} is not a whole number from 0 to ${max}`);
}
