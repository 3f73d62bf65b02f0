import { BHS_LENGTH, Opcode, padded, viewPdu } from "ts-iscsi-pdu";

/** What both directions of a connection know: digests come with full feature phase, as the target answered. */
export class Digests {
  #header = 0;
  #data = 0;
  #agreed = { header: 0, data: 0 };

  /** The bytes of the PDU that begins there, Infinity where its header is not whole. */
  size(bytes: Buffer): number {
    if (bytes.length < BHS_LENGTH) return Infinity;
    const data = bytes.readUIntBE(5, 3);
    return BHS_LENGTH + (bytes[4] ?? 0) * 4 + this.#header + padded(data) + (data > 0 ? this.#data : 0);
  }

  /** Looks at a whole PDU. */
  see(bytes: Buffer): void {
    const pdu = viewPdu(bytes);
    if (pdu.opcode !== Opcode.LoginResponse) return;
    const text = bytes.toString("latin1", BHS_LENGTH);
    if (text.includes("HeaderDigest=CRC32C")) this.#agreed.header = 4;
    if (text.includes("DataDigest=CRC32C")) this.#agreed.data = 4;
    if (pdu.transit && pdu.nsg === 3) [this.#header, this.#data] = [this.#agreed.header, this.#agreed.data];
  }
}

/** Cuts one direction of a connection into PDUs. */
export class PduCutter {
  readonly #digests: Digests;
  #rest: Buffer = Buffer.alloc(0);

  constructor(digests: Digests) {
    this.#digests = digests;
  }

  /** The PDUs that are whole with these bytes. */
  *push(bytes: Uint8Array): Generator<Buffer> {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (;;) {
      const size = this.#digests.size(this.#rest);
      if (size > this.#rest.length) return;
      const pdu = this.#rest.subarray(0, size);
      this.#rest = this.#rest.subarray(size);
      this.#digests.see(pdu);
      yield pdu;
    }
  }

  /** Bytes that are the beginning of a PDU. */
  get rest(): number {
    return this.#rest.length;
  }
}
