/** RFC 1350 §5 and RFC 2347. */
export const TftpError = {
  NotDefined: 0,
  FileNotFound: 1,
  AccessViolation: 2,
  IllegalOperation: 4,
  UnknownTransfer: 5,
  BadOptions: 8,
} as const;
export type TftpError = (typeof TftpError)[keyof typeof TftpError];

export type TftpPacket =
  | {
      readonly kind: "read" | "write";
      readonly file: string;
      /** Lower case. */
      readonly mode: string;
      /** Names in lower case; the first of equals counts. */
      readonly options: ReadonlyMap<string, string>;
    }
  | { readonly kind: "ack"; readonly block: number }
  | { readonly kind: "error"; readonly code: number; readonly message: string };

/** Decodes what a client may send; undefined for anything else. Never throws. */
export function decodeTftp(datagram: Uint8Array): TftpPacket | undefined {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.length);
  if (bytes.length < 4) return undefined;
  switch (bytes.readUInt16BE(0)) {
    case 1:
      return decodeRequest("read", bytes);
    case 2:
      return decodeRequest("write", bytes);
    case 4:
      return { kind: "ack", block: bytes.readUInt16BE(2) };
    case 5:
      return { kind: "error", code: bytes.readUInt16BE(2), message: firstText(bytes.subarray(4)) };
    default:
      return undefined;
  }
}

/** Writes the header of a data packet into the four bytes that `packet` keeps free in front of its payload. */
export function writeDataHeader(packet: Buffer, block: number): void {
  packet.writeUInt16BE(3, 0);
  packet.writeUInt16BE(block, 2);
}

export function encodeOptionAck(options: ReadonlyMap<string, string>): Uint8Array {
  const pairs = [...options].flatMap(([name, value]) => [name, value]);
  return Buffer.concat([
    Uint8Array.of(0, 6),
    Buffer.from(pairs.map((text) => `${text}\0`).join(""), "latin1"),
  ]);
}

export function encodeError(code: TftpError, message: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(0, 5, 0, code), Buffer.from(`${message}\0`, "latin1")]);
}

function decodeRequest(kind: "read" | "write", bytes: Buffer): TftpPacket | undefined {
  // Some firmware pads the request or leaves out the last zero; both are harmless.
  const texts = bytes.toString("utf8", 2).split("\0");
  const [file = "", mode = ""] = texts;
  if (file === "" || mode === "") return undefined;
  const options = new Map<string, string>();
  for (let i = 2; i + 1 < texts.length; i += 2) {
    const name = texts[i]?.toLowerCase() ?? "";
    if (name !== "" && !options.has(name)) options.set(name, texts[i + 1] ?? "");
  }
  return { kind, file, mode: mode.toLowerCase(), options };
}

function firstText(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end === -1 ? bytes.length : end);
}
