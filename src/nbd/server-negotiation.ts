import type { Socket } from "node:net";
import { SanlabError } from "#core";
import { send, type ByteReader } from "./byte-reader.ts";
import type { NbdExport } from "./export.ts";
import {
  HandshakeFlag,
  Info,
  Magic,
  Option,
  OptionReply,
  baseAllocation,
  countedString,
  maxString,
} from "./protocol.ts";

/** Longest data of an option that is looked at, bytes; longer ones are refused unread, the longest end the connection. */
const longestOption = 64 * 1024;
const longestSkipped = 1024 * 1024;
const allocationId = 1;

/** What server and client have agreed on. */
export interface Agreement {
  readonly target: NbdExport;
  readonly structured: boolean;
  /** The number of `base:allocation`, where the client wants block status. */
  readonly allocationId: number | undefined;
}

/**
 * The server's side of the fixed newstyle negotiation.
 * @returns undefined where the client ended it.
 * @throws SanlabError NBD_PROTOCOL, CONNECTION_LOST
 */
export async function negotiate(
  socket: Socket,
  reader: ByteReader,
  exports: readonly NbdExport[],
): Promise<Agreement | undefined> {
  return await new Negotiation(socket, reader, exports).run();
}

class Negotiation {
  readonly #socket: Socket;
  readonly #reader: ByteReader;
  readonly #exports: readonly NbdExport[];
  #noZeroes = false;
  #structured = false;
  /** The export that `base:allocation` was set for. */
  #allocation: NbdExport | undefined;

  constructor(socket: Socket, reader: ByteReader, exports: readonly NbdExport[]) {
    this.#socket = socket;
    this.#reader = reader;
    this.#exports = exports;
  }

  async run(): Promise<Agreement | undefined> {
    const fixed = await this.#greet();
    for (;;) {
      const head = await this.#reader.read(16);
      if (head.readBigUInt64BE(0) !== Magic.Option) throw protocolError("an option without its magic number");
      const option = head.readUInt32BE(8);
      const length = head.readUInt32BE(12);
      if (length > longestSkipped) throw protocolError(`an option of ${length} bytes`);
      if (length > longestOption) {
        await this.#reader.skip(length);
        await this.#refuse(option, OptionReply.TooBig, `an option has ${longestOption} bytes at most`);
        continue;
      }
      const data = await this.#reader.read(length);
      if (option === Option.ExportName) return await this.#exportName(data.toString("utf8"));
      if (!fixed) throw protocolError("only newstyle negotiation is fixed; this client is older");
      if (option === Option.Abort) {
        await this.#reply(option, OptionReply.Ack);
        return undefined;
      }
      const agreed = await this.#answer(option, data);
      if (agreed !== undefined) return this.#agree(agreed);
    }
  }

  async #greet(): Promise<boolean> {
    const greeting = Buffer.allocUnsafe(18);
    greeting.writeBigUInt64BE(Magic.Server, 0);
    greeting.writeBigUInt64BE(Magic.Option, 8);
    greeting.writeUInt16BE(HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes, 16);
    await send(this.#socket, greeting);
    const flags = (await this.#reader.read(4)).readUInt32BE(0);
    if ((flags & ~(HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes)) !== 0)
      throw protocolError(`unknown client flags 0x${flags.toString(16)}`);
    this.#noZeroes = (flags & HandshakeFlag.NoZeroes) !== 0;
    return (flags & HandshakeFlag.FixedNewstyle) !== 0;
  }

  /** The oldest way to choose an export; it knows no answer but the disk or the end. */
  async #exportName(name: string): Promise<Agreement> {
    const target = this.#find(name);
    if (target === undefined || target.fenced)
      throw protocolError(
        `no export ${JSON.stringify(name.slice(0, 64))} for a client that cannot be told so`,
      );
    await send(this.#socket, exportInfo(target), Buffer.alloc(this.#noZeroes ? 0 : 124));
    return this.#agree(target);
  }

  /** @returns the export when the client goes on to use it. */
  async #answer(option: number, data: Buffer): Promise<NbdExport | undefined> {
    switch (option) {
      case Option.List:
        await this.#list(option, data);
        return undefined;
      case Option.StructuredReply:
        if (data.length > 0) await this.#refuse(option, OptionReply.Invalid, "this option has no data");
        else {
          this.#structured = true;
          await this.#reply(option, OptionReply.Ack);
        }
        return undefined;
      case Option.Info:
      case Option.Go: {
        const target = await this.#info(option, data);
        return option === Option.Go ? target : undefined;
      }
      case Option.ListMetaContext:
      case Option.SetMetaContext:
        await this.#metaContext(option, data);
        return undefined;
      default:
        await this.#refuse(option, OptionReply.Unsupported, "this server does not know this option");
        return undefined;
    }
  }

  async #list(option: number, data: Buffer): Promise<void> {
    if (data.length > 0) return await this.#refuse(option, OptionReply.Invalid, "this option has no data");
    for (const { name, description } of this.#exports)
      await this.#reply(option, OptionReply.Server, countedString(name), Buffer.from(description));
    await this.#reply(option, OptionReply.Ack);
  }

  async #info(option: number, data: Buffer): Promise<NbdExport | undefined> {
    const fields = new Fields(data);
    const name = fields.text();
    const count = fields.u16();
    const wanted = new Set(Array.from({ length: count ?? 0 }, () => fields.u16()));
    if (name === undefined || count === undefined || wanted.has(undefined) || !fields.done) {
      await this.#refuse(option, OptionReply.Invalid, "the option's data is malformed");
      return undefined;
    }
    const target = await this.#findOrRefuse(option, name);
    if (target === undefined) return undefined;
    const sizes = Buffer.allocUnsafe(14);
    sizes.writeUInt16BE(Info.BlockSize, 0);
    for (const [index, size] of target.blockSizes.entries()) sizes.writeUInt32BE(size, 2 + index * 4);
    // Clients that ask for no block size keep to 512 bytes (proto.md, "Block size constraints").
    if (option === Option.Go && !wanted.has(Info.BlockSize) && target.device.blockSize > 512) {
      await this.#reply(option, OptionReply.Info, sizes);
      await this.#refuse(
        option,
        OptionReply.BlockSizeRequired,
        `blocks have ${target.device.blockSize} bytes`,
      );
      return undefined;
    }
    if (wanted.has(Info.Name))
      await this.#reply(option, OptionReply.Info, u16(Info.Name), Buffer.from(target.name));
    if (wanted.has(Info.Description) && target.description !== "")
      await this.#reply(option, OptionReply.Info, u16(Info.Description), Buffer.from(target.description));
    await this.#reply(option, OptionReply.Info, sizes);
    await this.#reply(option, OptionReply.Info, u16(Info.Export), exportInfo(target));
    await this.#reply(option, OptionReply.Ack);
    return target;
  }

  async #metaContext(option: number, data: Buffer): Promise<void> {
    const set = option === Option.SetMetaContext;
    if (set) this.#allocation = undefined;
    const fields = new Fields(data);
    const name = fields.text();
    const count = fields.u32();
    const queries: string[] = [];
    for (let left = count ?? 0; left > 0; left--) {
      const query = fields.text();
      if (query === undefined) break;
      queries.push(query);
    }
    if (name === undefined || queries.length !== count || !fields.done)
      return await this.#refuse(option, OptionReply.Invalid, "the option's data is malformed");
    if (!this.#structured)
      return await this.#refuse(option, OptionReply.Invalid, "structured replies have to be agreed on first");
    const target = await this.#findOrRefuse(option, name);
    if (target === undefined) return;
    const matches = set
      ? queries.includes(baseAllocation)
      : queries.length === 0 || queries.some((query) => query === "base:" || query === baseAllocation);
    if (matches)
      await this.#reply(
        option,
        OptionReply.MetaContext,
        u32(set ? allocationId : 0),
        Buffer.from(baseAllocation),
      );
    await this.#reply(option, OptionReply.Ack);
    if (set && matches) this.#allocation = target;
  }

  #find(name: string): NbdExport | undefined {
    const [only, ...others] = this.#exports;
    const named = this.#exports.find((target) => target.name === name);
    return named ?? (name === "" && others.length === 0 ? only : undefined);
  }

  async #findOrRefuse(option: number, name: string): Promise<NbdExport | undefined> {
    const target = this.#find(name);
    if (target === undefined) await this.#refuse(option, OptionReply.Unknown, "there is no such export");
    else if (target.fenced) {
      await this.#refuse(option, OptionReply.Shutdown, "the export has been fenced");
      return undefined;
    }
    return target;
  }

  #agree(target: NbdExport): Agreement {
    const allocation = this.#allocation === target ? allocationId : undefined;
    return { target, structured: this.#structured, allocationId: allocation };
  }

  async #refuse(option: number, type: number, message: string): Promise<void> {
    await this.#reply(option, type, Buffer.from(message));
  }

  async #reply(option: number, type: number, ...data: readonly Uint8Array[]): Promise<void> {
    const head = Buffer.allocUnsafe(20);
    head.writeBigUInt64BE(Magic.OptionReply, 0);
    head.writeUInt32BE(option, 8);
    head.writeUInt32BE(type, 12);
    head.writeUInt32BE(
      data.reduce((sum, part) => sum + part.length, 0),
      16,
    );
    await send(this.#socket, Buffer.concat([head, ...data]));
  }
}

/** Reads an option's data field by field; undefined from where it ends too early. */
class Fields {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get done(): boolean {
    return this.#at === this.#data.length;
  }

  u16(): number | undefined {
    return this.#take(2)?.readUInt16BE(0);
  }

  u32(): number | undefined {
    return this.#take(4)?.readUInt32BE(0);
  }

  text(): string | undefined {
    const length = this.u32();
    return length === undefined || length > maxString ? undefined : this.#take(length)?.toString("utf8");
  }

  #take(length: number): Buffer | undefined {
    if (this.#at + length > this.#data.length) return undefined;
    this.#at += length;
    return this.#data.subarray(this.#at - length, this.#at);
  }
}

/** u64 size, u16 transmission flags. */
function exportInfo(target: NbdExport): Buffer {
  const bytes = Buffer.allocUnsafe(10);
  bytes.writeBigUInt64BE(BigInt(target.device.size), 0);
  bytes.writeUInt16BE(target.flags, 8);
  return bytes;
}

const u16 = (value: number) => Buffer.from([value >>> 8, value & 0xff]);

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const protocolError = (message: string) => new SanlabError("NBD_PROTOCOL", message);
