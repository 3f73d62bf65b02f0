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

  constructor(socket: Socket) {
    this.socket = socket;
    this.#framer = new Framer(
      {
        header: () => null,
        pdu: (pdu, data) => {
          const fields = pdu.toFields();
          if ("statSn" in fields && fields.opcode !== Opcode.R2t) this.expStatSn = fields.statSn + 1;
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
    const { statusClass, statusDetail, transit, tsih } = answer.pdu;
    return {
      status: (statusClass << 8) | statusDetail,
      keys: new Map(parseTextKeys(answer.data)),
      transit,
      tsih,
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

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

export const identity = {
  InitiatorName: "iqn.2026-01.org.sanlab:raw",
  TargetName: "iqn.2026-01.org.sanlab:disk",
};
