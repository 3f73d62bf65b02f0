/**
 * Reads a numerical value of RFC 7143 section 6.1: decimal, or hexadecimal with "0x".
 * @returns undefined when the text is no number that fits 53 bits.
 */
export function parseNumber(text: string): number | undefined {
  if (!/^(?:0[xX][0-9a-fA-F]+|\d+)$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Reads a boolean value of RFC 7143 section 6.1: "Yes" or "No", nothing else. */
export function parseBoolean(text: string): boolean | undefined {
  if (text === "Yes") return true;
  return text === "No" ? false : undefined;
}

/**
 * Reads a binary value of RFC 7143 section 6.1: hexadecimal with "0x" or base64 with "0b".
 * @returns undefined when the text is neither.
 */
export function parseBinary(text: string): Uint8Array | undefined {
  const digits = text.slice(2);
  if (/^0[xX][0-9a-fA-F]+$/.test(text)) {
    return Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex");
  }
  if (/^0[bB](?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    return digits === "" ? undefined : Buffer.from(digits, "base64");
  }
  return undefined;
}

/** Writes a binary value as hexadecimal, the form that every peer reads. */
export function writeBinary(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")}`;
}
