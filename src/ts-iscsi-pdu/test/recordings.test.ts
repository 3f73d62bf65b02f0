import { readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import {
  checkPdu,
  Encoder,
  formatPdu,
  Framer,
  Opcode,
  opcodeName,
  parseTextKeys,
  type AnyPdu,
  type PduFields,
} from "../src/index.ts";

type Direction = "initiator" | "target";

interface Heard {
  readonly fields: PduFields;
  readonly data: Uint8Array;
  readonly line: string;
  readonly findings: readonly string[];
}

const recording = (name: string, direction: Direction) =>
  readFileSync(path.join(import.meta.dirname, "data", `${name}.${direction}.bin`));

const kind = ({ fields }: Heard) => opcodeName(fields.opcode);

/** Login is over for a direction with its last login PDU that goes to full feature phase. */
const endsLogin = (pdu: AnyPdu) =>
  (pdu.opcode === Opcode.LoginRequest || pdu.opcode === Opcode.LoginResponse) && pdu.transit && pdu.nsg === 3;

/** Frames a recorded direction, cut into pieces of `split` bytes. */
function hear(stream: Uint8Array, headerDigest: boolean, split: number): readonly Heard[] {
  const heard: Heard[] = [];
  const framer: Framer = new Framer(
    {
      header: () => null,
      pdu(pdu, data) {
        const findings = checkPdu(pdu).map((error) => error.message);
        heard.push({ fields: pdu.toFields(), data, line: formatPdu(pdu), findings });
        if (endsLogin(pdu)) framer.configure({ headerDigest });
      },
      error(error) {
        throw error;
      },
    },
    { maxDataLength: 262_144 },
  );
  for (let at = 0; at < stream.length; at += split) framer.push(stream.subarray(at, at + split));
  if (!framer.idle) throw new Error("the recording ends inside a PDU");
  return heard;
}

/** The same PDUs, written again from plain data. */
function written(heard: readonly Heard[], headerDigest: boolean): Buffer {
  const encoder = new Encoder();
  return Buffer.concat(
    heard.flatMap(({ fields, data }) => {
      const pieces = encoder.encode(fields, data);
      if ("nsg" in fields && fields.transit && fields.nsg === 3) encoder.configure({ headerDigest });
      return pieces;
    }),
  );
}

const RECORDINGS = [
  ["tgtd-iscsi-ls", false],
  ["tgtd-qemu-digests", true],
] as const;

for (const [name, headerDigest] of RECORDINGS) {
  for (const direction of ["initiator", "target"] as const) {
    test(`${name}, ${direction}: read, and written again byte by byte the same`, (t) => {
      const stream = recording(name, direction);
      const heard = hear(stream, headerDigest, stream.length);
      t.deepEqual(written(heard, headerDigest), stream);
      for (const split of [1, 7, 48, 52, 1460])
        t.deepEqual(hear(stream, headerDigest, split), heard, `split ${split}`);
    });
  }
}

test("what a discovery session says", (t) => {
  const [sent, answered] = [
    hear(recording("tgtd-iscsi-ls", "initiator"), false, 99),
    hear(recording("tgtd-iscsi-ls", "target"), false, 99),
  ];
  t.deepEqual(sent.map(kind), ["LoginRequest", "LoginRequest", "TextRequest", "LogoutRequest"]);
  t.deepEqual(answered.map(kind), ["LoginResponse", "LoginResponse", "TextResponse", "LogoutResponse"]);
  t.regex(
    answered[1]?.line ?? "",
    /^Login Response T CSG=1 \(LoginOperationalNegotiation\) NSG=3 \(FullFeaturePhase\) .* TSIH=\d+ /,
  );
  const text = answered.find(({ fields }) => fields.opcode === Opcode.TextResponse);
  t.deepEqual(
    parseTextKeys(text?.data ?? new Uint8Array(0)).map(([key]) => key),
    ["TargetName", "TargetAddress"],
  );
});

test("what the checker finds in other people's headers", (t) => {
  const findings = RECORDINGS.flatMap(([name, headerDigest]) =>
    (["initiator", "target"] as const).flatMap((direction) =>
      hear(recording(name, direction), headerDigest, 4096).flatMap(({ fields, findings }) =>
        findings.map((finding) => `${name} ${direction} ${opcodeName(fields.opcode)}: ${finding}`),
      ),
    ),
  );
  // libiscsi names the next stage also while its CHAP answer is still to come.
  t.deepEqual(
    [...new Set(findings)],
    ["tgtd-qemu-digests initiator LoginRequest: Login Request: a next stage without T (RFC 7143 §11.12.3)"],
  );
});
