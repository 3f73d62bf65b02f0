/**
 * How fast headers are read and written and streams are framed, on one core:
 *
 *   npm run bench -w ts-iscsi-pdu                    JavaScript CRC32C
 *   npm run bench -w ts-iscsi-pdu -- @node-rs/crc32  with that module's crc32c for long data
 *
 * Each figure is the best of several rounds, as other work on the machine only ever adds time.
 */
import {
  crc32cJs,
  Encoder,
  Framer,
  hybridCrc32c,
  Opcode,
  viewPdu,
  writeDataIn,
  type Crc32c,
  type PduInit,
} from "../src/index.ts";

const ROUNDS = 7;
const RECEIVE_BUFFER = 256 * 1024;

function best(run: () => void): number {
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now();
    run();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

function perCall(name: string, calls: number, call: (index: number) => number): void {
  let sum = 0;
  const milliseconds = best(() => {
    for (let index = 0; index < calls; index += 1) sum += call(index);
  });
  console.log(
    `${name.padEnd(46)} ${((milliseconds * 1e6) / calls).toFixed(0).padStart(6)} ns   (${sum % 10})`,
  );
}

function dataIn(dataSn: number, length: number): PduInit {
  return {
    opcode: Opcode.DataIn,
    itt: 7,
    final: false,
    expCmdSn: 3,
    maxCmdSn: 34,
    dataSn,
    bufferOffset: dataSn * length,
  };
}

/** Frames a stream of Data-In PDUs in chunks of one receive buffer, straight into one destination. */
function framing(
  name: string,
  dataLength: number,
  digests: { headerDigest: boolean; dataDigest: boolean },
): void {
  const count = Math.ceil((32 * 1024 * 1024) / dataLength);
  const encoder = new Encoder({ ...digests, crc32c });
  const data = new Uint8Array(dataLength).fill(0x5a);
  const one = encoder.size(dataIn(0, dataLength), dataLength);
  const stream = new Uint8Array(one * count);
  for (let index = 0; index < count; index += 1)
    encoder.encodeInto(stream, index * one, dataIn(index, dataLength), data);
  const destination = new Uint8Array(dataLength);
  let heard = 0;
  const milliseconds = best(() => {
    const framer = new Framer(
      {
        header: () => destination,
        pdu: () => {
          heard += 1;
        },
        error: (error) => {
          throw error;
        },
      },
      { ...digests, crc32c, maxDataLength: dataLength },
    );
    for (let at = 0; at < stream.length; at += RECEIVE_BUFFER)
      framer.push(stream.subarray(at, at + RECEIVE_BUFFER));
  });
  if (heard !== count * ROUNDS) throw new Error(`${heard} PDUs heard, ${count * ROUNDS} sent`);
  const rate = (count * dataLength) / milliseconds / 1e6;
  const pdus = count / milliseconds;
  console.log(
    `${name.padEnd(46)} ${rate.toFixed(2).padStart(6)} GB/s ${pdus.toFixed(0).padStart(6)} thousand PDUs/s`,
  );
}

async function native(module: string): Promise<Crc32c> {
  const loaded: { readonly crc32c?: unknown } = await import(module);
  const { crc32c } = loaded;
  if (typeof crc32c !== "function") throw new TypeError(`${module} has no crc32c`);
  return (data, seed) => Number(crc32c(data, seed));
}

const module = process.argv[2];
const crc32c = module === undefined ? crc32cJs : hybridCrc32c(await native(module));
console.log(`CRC32C: ${module ?? "JavaScript"}`);

const header = new Uint8Array(48);
perCall("write a Data-In header", 1_000_000, (index) => {
  writeDataIn(header, 0, {
    itt: index,
    final: true,
    expCmdSn: index,
    maxCmdSn: index,
    dataSn: index,
    bufferOffset: index,
  });
  return header[19] ?? 0;
});
perCall("view a Data-In header, read nine fields", 1_000_000, (index) => {
  header[16] = index;
  const pdu = viewPdu(header);
  if (pdu.opcode !== Opcode.DataIn) throw new Error("not a Data-In");
  return (
    pdu.itt +
    pdu.dataSn +
    pdu.bufferOffset +
    pdu.statSn +
    pdu.expCmdSn +
    pdu.maxCmdSn +
    pdu.dataLength +
    pdu.status +
    (pdu.hasStatus ? 1 : 0)
  );
});
const encoder = new Encoder({ headerDigest: true });
const command: PduInit = {
  opcode: Opcode.ScsiCommand,
  itt: 1,
  read: true,
  edtl: 4096,
  cmdSn: 1,
  expStatSn: 1,
  cdb: new Uint8Array(16),
};
perCall("encode a SCSI Command with header digest", 300_000, () => encoder.encode(command).length);

const none = { headerDigest: false, dataDigest: false };
const both = { headerDigest: true, dataDigest: true };
for (const [words, length] of [
  ["512 B", 512],
  ["4 KiB", 4096],
  ["8 KiB", 8192],
  ["256 KiB", 262_144],
] as const) {
  framing(`frame PDUs of ${words}`, length, none);
  framing(`frame PDUs of ${words}, both digests`, length, both);
}
