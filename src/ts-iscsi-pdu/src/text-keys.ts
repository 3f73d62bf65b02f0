import { EMPTY, copyBytes } from "./bytes.ts";
import { ProtocolError, type ProtocolErrorInit } from "./errors.ts";

/** A key and its value. A list, not a map: SendTargets answers repeat their keys, and order counts (RFC 7143 §6.1). */
export type TextKey = readonly [key: string, value: string];

/** RFC 7143 §6.1: a key has up to 63 characters. */
export const MAX_KEY_LENGTH = 63;
/** RFC 7143 §6.1: a value has up to 255 bytes unless its key says otherwise; binary ones may be longer. */
export const MAX_TEXT_VALUE_LENGTH = 255;

const KEY_NAME = /^(?:[A-Z]|iSCSI)[A-Za-z0-9.+\-@_]*$|^X[-#][A-Za-z0-9.+\-@_:]*$/;

/**
 * Takes apart a complete text: key=value pairs, each ended by a NUL (RFC 7143 §6.1). Empty pairs, as padding makes
 * them, are skipped, and the last NUL may be missing, as some peers leave it out. Throws ProtocolError TEXT_FORMAT
 * for a pair without "=", a malformed key, or bytes that are not UTF-8.
 */
export function parseTextKeys(data: Uint8Array): TextKey[] {
  const pairs: TextKey[] = [];
  for (let at = 0; at < data.length;) {
    const nul = data.indexOf(0, at);
    const end = nul < 0 ? data.length : nul;
    if (end > at) pairs.push(parsePair(data.subarray(at, end)));
    at = end + 1;
  }
  return pairs;
}

/** One NUL-terminated pair after another. Throws a TypeError for a key or value that cannot be said. */
export function writeTextKeys(pairs: Iterable<TextKey>): Uint8Array {
  let text = "";
  for (const [key, value] of pairs) {
    if (!isKey(key)) throw new TypeError(`"${key}" is not the name of a text key`);
    if (value.includes("\0")) throw new TypeError(`the value of ${key} contains a NUL`);
    text += `${key}=${value}\0`;
  }
  return text === "" ? EMPTY : new TextEncoder().encode(text);
}

/**
 * Cuts a text into the data segments of as many PDUs as it takes; all but the last go out with the C bit set
 * (RFC 7143 §6.2). The cut may fall inside a key or value.
 */
export function splitText(text: Uint8Array, maxDataLength: number): Uint8Array[] {
  if (maxDataLength < 1) throw new RangeError(`text cannot be cut into pieces of ${maxDataLength} bytes`);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < text.length; at += maxDataLength) pieces.push(text.subarray(at, at + maxDataLength));
  return pieces.length === 0 ? [EMPTY] : pieces;
}

/** The first value of a key, or undefined. */
export function textValue(pairs: Iterable<TextKey>, key: string): string | undefined {
  for (const [name, value] of pairs) if (name === key) return value;
  return undefined;
}

/**
 * RFC 7143 §6.1: standard keys start with a capital letter; private ones with "X-", "X#", "Y-" or "Z-". The key
 * iSCSIProtocolLevel of §13.24 breaks that rule.
 */
export function isKey(key: string): boolean {
  return key.length <= MAX_KEY_LENGTH && KEY_NAME.test(key);
}

export interface TextReassemblerOptions {
  /** Bytes that one text may have over all its PDUs. Default 65536. */
  readonly maxLength?: number;
}

/** Puts together a text that goes on over several PDUs (C bit, RFC 7143 §6.2), within a bound. */
export class TextReassembler {
  readonly #maxLength: number;
  #parts: Uint8Array[] = [];
  #length = 0;

  constructor(options: TextReassemblerOptions = {}) {
    this.#maxLength = options.maxLength ?? 65_536;
  }

  /** True while the peer has more of the same text to send. */
  get pending(): boolean {
    return this.#parts.length > 0;
  }

  /**
   * Takes the data of one PDU and its C bit. Gives the pairs once the text is complete, undefined before.
   * Throws ProtocolError TEXT_TOO_LONG past the bound, TEXT_FORMAT as parseTextKeys; it is empty again then.
   */
  add(data: Uint8Array, continues: boolean): TextKey[] | undefined {
    if (this.#length + data.length > this.#maxLength) {
      const got = this.#length + data.length;
      this.reset();
      throw new ProtocolError({
        code: "TEXT_TOO_LONG",
        section: "RFC 7143 §6.2",
        field: "text",
        got,
        limit: this.#maxLength,
        message: `a text of more than ${this.#maxLength} bytes`,
      });
    }
    if (continues) {
      // An empty part still counts, or a peer could send them for ever.
      this.#parts.push(copyBytes(data));
      this.#length += Math.max(data.length, 1);
      return undefined;
    }
    if (this.#parts.length === 0) return parseTextKeys(data);
    const whole = join([...this.#parts, data]);
    this.reset();
    return parseTextKeys(whole);
  }

  reset(): void {
    this.#parts = [];
    this.#length = 0;
  }
}

function parsePair(bytes: Uint8Array): TextKey {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed("text", `${bytes.length} bytes`, "a text that is not UTF-8");
  }
  const equals = text.indexOf("=");
  const key = equals < 0 ? text : text.slice(0, equals);
  // The value stays out of the error: it may be a CHAP response.
  if (equals < 0) throw malformed("text", `${bytes.length} bytes without "="`, "a text key without a value");
  if (!isKey(key))
    throw malformed("key", JSON.stringify(key.slice(0, MAX_KEY_LENGTH + 1)), "a malformed text key");
  return [key, text.slice(equals + 1)];
}

function malformed(field: string, got: string, message: string): ProtocolError {
  const init: ProtocolErrorInit = { code: "TEXT_FORMAT", section: "RFC 7143 §6.1", field, got, message };
  return new ProtocolError(init);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
