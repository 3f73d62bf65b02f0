import type { Socket } from "node:net";
import { SanlabError } from "#core";
import { send, type ByteReader } from "./byte-reader.ts";
import {
  HandshakeFlag,
  Info,
  Magic,
  Option,
  OptionReply,
  baseAllocation,
  countedString,
  defaultMaxPayload,
} from "./protocol.ts";

/** Longest answer to an option that is accepted, bytes. */
const longestReply = 64 * 1024;
/** Most answers to one option before its end. */
const mostReplies = 64;

/** What a server has said of its export. */
export interface ExportFacts {
  readonly size: bigint;
  /** Transmission flags. */
  readonly flags: number;
  readonly structured: boolean;
  /** The number of `base:allocation`, where the server tells block status. */
  readonly allocationId: number | undefined;
  /** Bytes; 1 where the server says nothing. */
  readonly minimumBlock: number;
  readonly maximumPayload: number;
}

/**
 * The client's side of the newstyle negotiation, up to the transmission phase.
 * @throws SanlabError NBD_REFUSED with the server's own words, NBD_PROTOCOL, CONNECTION_LOST
 */
export async function negotiateExport(
  socket: Socket,
  reader: ByteReader,
  exportName: string,
): Promise<ExportFacts> {
  return await new ClientNegotiation(socket, reader, exportName).run();
}

interface Reply {
  readonly type: number;
  readonly data: Buffer;
}

class ClientNegotiation {
  readonly #socket: Socket;
  readonly #reader: ByteReader;
  readonly #exportName: string;

  constructor(socket: Socket, reader: ByteReader, exportName: string) {
    this.#socket = socket;
    this.#reader = reader;
    this.#exportName = exportName;
  }

  async run(): Promise<ExportFacts> {
    const greeting = await this.#reader.read(18);
    if (greeting.readBigUInt64BE(0) !== Magic.Server) throw wrong("this is no NBD server");
    if (greeting.readBigUInt64BE(8) !== Magic.Option)
      throw wrong("the server speaks the oldstyle protocol, which has no export names");
    const flags = greeting.readUInt16BE(16) & (HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes);
    const answer = Buffer.allocUnsafe(4);
    answer.writeUInt32BE(flags);
    await send(this.#socket, answer);
    const noZeroes = (flags & HandshakeFlag.NoZeroes) !== 0;
    if ((flags & HandshakeFlag.FixedNewstyle) === 0) return await this.#byName(noZeroes, false);
    const [structuredReply] = await this.#ask(Option.StructuredReply);
    const structured = structuredReply?.type === OptionReply.Ack;
    const allocationId = structured ? await this.#allocation() : undefined;
    return (await this.#go(structured, allocationId)) ?? (await this.#byName(noZeroes, structured));
  }

  async #allocation(): Promise<number | undefined> {
    const replies = await this.#ask(
      Option.SetMetaContext,
      countedString(this.#exportName),
      u32(1),
      countedString(baseAllocation),
    );
    if (replies.at(-1)?.type !== OptionReply.Ack) return undefined;
    const context = replies.find(
      ({ type, data }) =>
        type === OptionReply.MetaContext && data.length > 4 && data.toString("utf8", 4) === baseAllocation,
    );
    return context?.data.readUInt32BE(0);
  }

  /** @returns undefined where the server does not know this way. */
  async #go(structured: boolean, allocationId: number | undefined): Promise<ExportFacts | undefined> {
    const wanted = Buffer.from([0, 1, 0, Info.BlockSize]);
    const replies = await this.#ask(Option.Go, countedString(this.#exportName), wanted);
    const last = replies.at(-1);
    if (last?.type === OptionReply.Unsupported) return undefined;
    if (last?.type !== OptionReply.Ack) throw refused(this.#exportName, last);
    const infos = replies.filter(({ type, data }) => type === OptionReply.Info && data.length >= 2);
    const find = (kind: number, length: number) =>
      infos.find(({ data }) => data.readUInt16BE(0) === kind && data.length === length)?.data;
    const disk = find(Info.Export, 12);
    if (disk === undefined) throw wrong("the server does not tell the size of its export");
    const sizes = find(Info.BlockSize, 14);
    return {
      size: disk.readBigUInt64BE(2),
      flags: disk.readUInt16BE(10),
      structured,
      allocationId,
      minimumBlock: sizes?.readUInt32BE(2) ?? 1,
      maximumPayload: sizes?.readUInt32BE(10) ?? defaultMaxPayload,
    };
  }

  /** The oldest way: the server answers with the disk or hangs up. */
  async #byName(noZeroes: boolean, structured: boolean): Promise<ExportFacts> {
    const name = Buffer.from(this.#exportName, "utf8");
    await send(this.#socket, optionHead(Option.ExportName, name.length), name);
    const disk = await this.#reader.read(10);
    if (!noZeroes) await this.#reader.skip(124);
    return {
      size: disk.readBigUInt64BE(0),
      flags: disk.readUInt16BE(8),
      structured,
      allocationId: undefined,
      minimumBlock: 1,
      maximumPayload: defaultMaxPayload,
    };
  }

  /** Sends an option; gives its answers up to the one that ends it. */
  async #ask(option: number, ...data: readonly Buffer[]): Promise<readonly Reply[]> {
    const body = Buffer.concat(data);
    await send(this.#socket, optionHead(option, body.length), body);
    const replies: Reply[] = [];
    while (replies.length < mostReplies) {
      const head = await this.#reader.read(20);
      const type = head.readUInt32BE(12);
      const length = head.readUInt32BE(16);
      if (head.readBigUInt64BE(0) !== Magic.OptionReply || head.readUInt32BE(8) !== option)
        throw wrong("an answer to another option than the one that was sent");
      if (length > longestReply) throw wrong(`an answer of ${length} bytes to an option`);
      replies.push({ type, data: await this.#reader.read(length) });
      if (type === OptionReply.Ack || type >= OptionReply.Unsupported) return replies;
    }
    throw wrong("no end to the answers to an option");
  }
}

function optionHead(option: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeBigUInt64BE(Magic.Option, 0);
  bytes.writeUInt32BE(option, 8);
  bytes.writeUInt32BE(length, 12);
  return bytes;
}

const reasons = new Map<number, string>([
  [OptionReply.Policy, "the server's policy forbids it"],
  [OptionReply.TlsRequired, "the server wants TLS, which sanlab does not speak; use a tunnel"],
  [OptionReply.Unknown, "the server has no such export"],
  [OptionReply.Shutdown, "the server is shutting down"],
  [OptionReply.BlockSizeRequired, "the server insists on its block size"],
]);

function refused(exportName: string, reply: Reply | undefined): SanlabError {
  const reason = reasons.get(reply?.type ?? 0) ?? `answer 0x${(reply?.type ?? 0).toString(16)}`;
  const said = printable(reply?.data ?? Buffer.alloc(0));
  return new SanlabError(
    "NBD_REFUSED",
    `export ${JSON.stringify(exportName)}: ${reason}${said === "" ? "" : ` (${said})`}`,
  );
}

/** A peer's words, fit for a terminal. */
export const printable = (text: Buffer): string =>
  text
    .toString("utf8", 0, 256)
    .replaceAll(/[^\p{L}\p{N}\p{P}\p{S} ]+/gu, " ")
    .trim();

const wrong = (message: string) => new SanlabError("NBD_PROTOCOL", message);

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
