import { connect, type Socket } from "node:net";
import {
  Encoder,
  Framer,
  Opcode,
  RESERVED_TAG,
  parseTextKeys,
  writeTextKeys,
  type PduFields,
  type PduInit,
} from "ts-iscsi-pdu";

export interface Received {
  readonly pdu: PduFields;
  readonly data: Buffer;
}

/** An initiator without a mind of its own: it sends what it is told and shows what comes back. */
export class RawClient implements Disposable {
  readonly socket: Socket;
  readonly #encoder = new Encoder();
  readonly #framer: Framer;
  readonly #queue: Received[] = [];
  #waiting: (() => void) | undefined;
  #ended = false;
  isid = Buffer.from("800000010000", "hex");
  cmdSn = 1;
  expStatSn = 0;
  itt = 1;
  /** Tell the target what has come; off to have it keep everything. */
  acknowledges = true;

  constructor(socket: Socket) {
    this.socket = socket;
    this.#framer = new Framer(
      {
        header: () => null,
        pdu: (pdu, data) => {
          const fields = pdu.toFields();
          if (this.acknowledges && takesStatSn(fields)) this.expStatSn = fields.statSn + 1;
          this.#queue.push({ pdu: fields, data: Buffer.from(data) });
          this.#waiting?.();
        },
        error: (error) => socket.destroy(error),
      },
      { maxDataLength: 2 ** 24 - 1 },
    );
    socket.on("data", (chunk: Buffer) => this.#framer.push(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#ended = true;
      this.#waiting?.();
    });
  }

  static async connect({ host, port }: { readonly host: string; readonly port: number }): Promise<RawClient> {
    const socket = connect({ host, port, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new RawClient(socket);
  }

  send(pdu: PduInit, data?: Uint8Array): void {
    for (const piece of this.#encoder.encode(pdu, data)) this.socket.write(piece);
  }

  /** Puts digests on what is sent from now on, and expects them of what comes. */
  useDigests(options: { readonly headerDigest: boolean; readonly dataDigest: boolean }): void {
    this.#encoder.configure(options);
    this.#framer.configure(options);
  }

  /** Sends a PDU of which one bit was turned over on the way: in byte 20 of its header, or in its data. */
  sendDamaged(where: "header" | "data", pdu: PduInit, data?: Uint8Array): void {
    const pieces = this.#encoder.encode(pdu, data).map((piece) => Buffer.from(piece));
    const damaged = pieces[where === "header" ? 0 : 1];
    if (damaged !== undefined) damaged[where === "header" ? 20 : 0]! ^= 1;
    this.socket.write(Buffer.concat(pieces));
  }

  /** Sends bytes as they are. */
  sendBytes(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The next PDU; undefined when the target has closed the connection. */
  async next(): Promise<Received | undefined> {
    while (this.#queue.length === 0 && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    return this.#queue.shift();
  }

  /** Resolves when the target has closed the connection. */
  async closed(): Promise<void> {
    while (!this.#ended) await this.next();
  }

  /** One Login Request and its answer. */
  async login(
    keys: Readonly<Record<string, string>>,
    stage: {
      readonly csg?: number;
      readonly nsg?: number;
      readonly transit?: boolean;
      readonly tsih?: number;
      readonly cid?: number;
    } = {},
  ): Promise<{
    readonly status: number;
    readonly keys: Map<string, string>;
    readonly transit: boolean;
    readonly tsih: number;
    readonly expCmdSn: number;
    readonly maxCmdSn: number;
  }> {
    this.send(
      {
        opcode: Opcode.LoginRequest,
        itt: 0x100,
        csg: stage.csg ?? 1,
        nsg: stage.nsg ?? 3,
        transit: stage.transit ?? true,
        isid: this.isid,
        tsih: stage.tsih ?? 0,
        cid: stage.cid ?? 0,
        cmdSn: this.cmdSn,
        expStatSn: this.expStatSn,
      },
      writeTextKeys(Object.entries(keys)),
    );
    const answer = await this.next();
    if (answer?.pdu.opcode !== Opcode.LoginResponse) throw new Error("no Login Response");
    const { statusClass, statusDetail, transit, tsih, expCmdSn, maxCmdSn } = answer.pdu;
    return {
      status: (statusClass << 8) | statusDetail,
      keys: new Map(parseTextKeys(answer.data)),
      transit,
      tsih,
      expCmdSn,
      maxCmdSn,
    };
  }

  /** A SCSI Command; returns its tag. */
  command(
    cdb: Uint8Array,
    options: Partial<Extract<PduInit, { opcode: typeof Opcode.ScsiCommand }>> & {
      readonly data?: Uint8Array;
    } = {},
  ): number {
    const { data, ...fields } = options;
    const itt = fields.itt ?? (this.itt += 1);
    this.send(
      {
        opcode: Opcode.ScsiCommand,
        lun: 1,
        attribute: 1,
        itt,
        cmdSn: this.cmdSn,
        expStatSn: this.expStatSn,
        cdb,
        ...fields,
      },
      data,
    );
    if (fields.immediate !== true) this.cmdSn += 1;
    return itt;
  }

  dataOut(
    itt: number,
    ttt: number,
    bufferOffset: number,
    data: Uint8Array,
    options: { readonly dataSn?: number; readonly final?: boolean } = {},
  ): void {
    this.send(
      {
        opcode: Opcode.DataOut,
        itt,
        ttt,
        lun: ttt === RESERVED_TAG ? 0 : 1,
        final: options.final ?? true,
        expStatSn: this.expStatSn,
        dataSn: options.dataSn ?? 0,
        bufferOffset,
      },
      data,
    );
  }

  /** A header by hand: bytes of a SNACK Request (RFC 7143, section 11.16). */
  snack(
    type: number,
    options: {
      readonly itt?: number;
      readonly ttt?: number;
      readonly begRun?: number;
      readonly runLength?: number;
    } = {},
  ): void {
    const header = Buffer.alloc(48);
    header[0] = 0x10;
    header[1] = 0x80 | type;
    if (type === 2) header[9] = 1;
    header.writeUInt32BE(options.itt ?? RESERVED_TAG, 16);
    header.writeUInt32BE(options.ttt ?? RESERVED_TAG, 20);
    header.writeUInt32BE(this.expStatSn, 28);
    header.writeUInt32BE(options.begRun ?? 0, 40);
    header.writeUInt32BE(options.runLength ?? 0, 44);
    this.sendBytes(header);
  }

  /** A header by hand: an immediate Task Management Function Request (section 11.5); returns its tag. */
  manage(
    code: number,
    options: {
      readonly lun?: number;
      readonly task?: number;
      readonly refCmdSn?: number;
      readonly expDataSn?: number;
    } = {},
  ): number {
    const itt = (this.itt += 1);
    const header = Buffer.alloc(48);
    header[0] = 0x42;
    header[1] = 0x80 | code;
    header[9] = options.lun ?? 1;
    header.writeUInt32BE(itt, 16);
    header.writeUInt32BE(options.task ?? RESERVED_TAG, 20);
    header.writeUInt32BE(this.cmdSn, 24);
    header.writeUInt32BE(this.expStatSn, 28);
    header.writeUInt32BE(options.refCmdSn ?? 0, 32);
    header.writeUInt32BE(options.expDataSn ?? 0, 36);
    this.sendBytes(header);
    return itt;
  }

  /** A header by hand: an immediate Logout Request (section 11.14); returns its tag. */
  logout(reason: number, cid = 0): number {
    const itt = (this.itt += 1);
    const header = Buffer.alloc(48);
    header[0] = 0x46;
    header[1] = 0x80 | reason;
    header.writeUInt32BE(itt, 16);
    header.writeUInt16BE(cid, 20);
    header.writeUInt32BE(this.cmdSn, 24);
    header.writeUInt32BE(this.expStatSn, 28);
    this.sendBytes(header);
    return itt;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** R2T, pings and Data-In without status only tell the next StatSN, or none (section 4.2.2.2). */
function takesStatSn(pdu: PduFields): pdu is Extract<PduFields, { statSn: number }> {
  if (!("statSn" in pdu) || pdu.opcode === Opcode.R2t) return false;
  if (pdu.opcode === Opcode.DataIn) return pdu.hasStatus;
  return pdu.opcode !== Opcode.NopIn || pdu.itt !== RESERVED_TAG;
}

export const identity = {
  InitiatorName: "iqn.2026-01.org.sanlab:raw",
  TargetName: "iqn.2026-01.org.sanlab:disk",
};

/** What was received, as the PDU that it must be. */
export function is<O extends PduFields["opcode"]>(
  received: Received | undefined,
  opcode: O,
): Extract<PduFields, { opcode: O }> {
  if (received?.pdu.opcode !== opcode)
    throw new Error(
      `opcode 0x${received?.pdu.opcode.toString(16) ?? " none"} instead of 0x${opcode.toString(16)}`,
    );
  return received.pdu as Extract<PduFields, { opcode: O }>;
}
