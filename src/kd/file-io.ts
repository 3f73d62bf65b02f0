import { apiOf } from "./message-api.ts";

const operations = { 0x3430: "create", 0x3431: "read", 0x3432: "write", 0x3433: "close" } as const;
const fixedLength = 64;
const noSuchFile = 0xc000_000f;
const invalidHandle = 0xc000_0008;

export interface FileIo {
  readonly operation: (typeof operations)[keyof typeof operations];
  /** The file that a `create` asks for. */
  readonly name?: string;
}

/**
 * Reads a FILE_IO request: api (4), status (4), 56 bytes by api, and for `create` a name in UTF-16. Windows asks for
 * replacements of drivers in this way.
 */
export function readFileIo(body: Buffer): FileIo | undefined {
  const api = apiOf(body);
  if (!isOperation(api) || body.length < fixedLength) return undefined;
  const operation = operations[api];
  if (operation !== "create") return { operation };
  const name = body.toString("utf16le", fixedLength, body.length - (body.length % 2));
  return { operation, name: name.replace(/\0.*$/s, "") };
}

/** The answer that makes the kernel go on without the debugger's file: the request's fixed part with a failed status. */
export function refuseFileIo(body: Buffer): Buffer {
  const reply = Buffer.from(body.subarray(0, fixedLength));
  reply.writeUInt32LE(apiOf(body) === 0x3430 ? noSuchFile : invalidHandle, 4);
  return reply;
}

function isOperation(api: number): api is keyof typeof operations {
  return api in operations;
}
