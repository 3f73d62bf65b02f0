import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import test from "ava";
import {
  AsyncEvent,
  Encoder,
  FIELD_TABLES,
  isOpcode,
  Opcode,
  opcodeName,
  opcodeSender,
  readField,
  SnackType,
  TmfFunction,
  viewPdu,
  writeTextKeys,
  type PduInit,
} from "../src/index.ts";
import { bytesOf } from "./fixtures.ts";
import { pcap } from "./pcap.ts";

type Said = readonly [fields: PduInit, data?: Uint8Array];

const request = { cmdSn: 0x8000_0001, expStatSn: 0xffff_fff0 };
const answer = { statSn: 0x7fff_ffff, expCmdSn: 0x8000_0002, maxCmdSn: 0x8000_0041 };
const bytes = (length: number) => Uint8Array.from({ length }, (_, at) => at & 0xff);
const sense = Uint8Array.of(0, 18, 0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0, 0, 0);

function login(digest: "None" | "CRC32C"): readonly Said[] {
  const refusal = { statusClass: 2, statusDetail: 1, itt: 0x10, csg: 0, isid: bytesOf("8012ab560001") };
  const keys = writeTextKeys([
    ["HeaderDigest", digest],
    ["DataDigest", digest],
  ]);
  const stage = { transit: true, csg: 1, nsg: 3, isid: bytesOf("8012ab560001"), itt: 0x11 };
  return [
    [{ opcode: Opcode.LoginResponse, ...refusal, ...answer }],
    [{ opcode: Opcode.LoginRequest, ...stage, ...request, cid: 0x0102, versionMax: 0, versionMin: 0 }, keys],
    [
      { opcode: Opcode.LoginResponse, ...stage, ...answer, tsih: 0x0304, versionMax: 0, versionActive: 0 },
      keys,
    ],
  ];
}

/** Every PDU of the full feature phase, with values in every field that tells bytes and bits apart. */
const conversation: readonly Said[] = [
  [{ opcode: Opcode.NopOut, immediate: true, itt: 0x21, lun: 2, ...request }, bytes(5)],
  [{ opcode: Opcode.NopIn, itt: 0x21, lun: 2, ...answer }, bytes(5)],
  [{ opcode: Opcode.NopIn, lun: 3, ttt: 0x1122_3344, ...answer }],
  [
    {
      opcode: Opcode.ScsiCommand,
      itt: 0x31,
      read: true,
      attribute: 2,
      lun: 300,
      edtl: 0x0102_0304,
      cdb: bytesOf("28000000100000000800"),
      ...request,
    },
  ],
  [
    {
      opcode: Opcode.DataIn,
      final: true,
      acknowledge: true,
      itt: 0x31,
      ttt: 0x99,
      lun: 300,
      dataSn: 3,
      bufferOffset: 512,
      ...answer,
    },
    bytes(512),
  ],
  [
    {
      opcode: Opcode.DataIn,
      final: true,
      hasStatus: true,
      underflow: true,
      status: 0,
      itt: 0x31,
      dataSn: 4,
      bufferOffset: 1024,
      residualCount: 0x0a0b,
      ...answer,
    },
    bytes(13),
  ],
  [
    {
      opcode: Opcode.ScsiCommand,
      itt: 0x32,
      final: false,
      write: true,
      attribute: 1,
      lun: 7,
      edtl: 4096,
      cdb: bytesOf("2a000000100000000800"),
      ...request,
    },
    bytes(64),
  ],
  [
    {
      opcode: Opcode.R2t,
      itt: 0x32,
      ttt: 0x5566_7788,
      lun: 7,
      r2tSn: 2,
      bufferOffset: 64,
      desiredLength: 4032,
      ...answer,
    },
  ],
  [
    {
      opcode: Opcode.DataOut,
      final: true,
      itt: 0x32,
      ttt: 0x5566_7788,
      lun: 7,
      dataSn: 5,
      bufferOffset: 64,
      expStatSn: 9,
    },
    bytes(99),
  ],
  [
    {
      opcode: Opcode.ScsiResponse,
      itt: 0x32,
      status: 2,
      response: 0,
      overflow: true,
      bidirectionalUnderflow: true,
      residualCount: 0x0102_0304,
      bidirectionalResidualCount: 0x0506_0708,
      expDataSn: 6,
      ...answer,
    },
    sense,
  ],
  [
    {
      opcode: Opcode.ScsiCommand,
      itt: 0x33,
      read: true,
      write: true,
      edtl: 512,
      cdb: bytes(32).fill(0x7f, 0, 1),
      bidirectionalReadLength: 1024,
      ...request,
    },
  ],
  [
    {
      opcode: Opcode.TmfRequest,
      immediate: true,
      itt: 0x41,
      function: TmfFunction.ClearTaskSet,
      lun: 7,
      ...request,
    },
  ],
  [
    {
      opcode: Opcode.TmfRequest,
      itt: 0x42,
      function: TmfFunction.TaskReassign,
      referencedTaskTag: 0x32,
      refCmdSn: 8,
      expDataSn: 9,
      ...request,
    },
  ],
  [{ opcode: Opcode.TmfResponse, itt: 0x42, response: 4, ...answer }],
  [
    {
      opcode: Opcode.Async,
      lun: 5,
      event: AsyncEvent.DropConnection,
      vendorCode: 6,
      parameter1: 0x0102,
      parameter2: 0x0304,
      parameter3: 0x0506,
      ...answer,
    },
  ],
  [
    { opcode: Opcode.TextRequest, immediate: true, itt: 0x51, ...request },
    writeTextKeys([["SendTargets", "All"]]),
  ],
  [
    { opcode: Opcode.TextResponse, final: false, continues: true, itt: 0x51, ttt: 0x99, ...answer },
    writeTextKeys([["TargetName", "iqn.2026-01.org.example:one"]]),
  ],
  [
    {
      opcode: Opcode.Snack,
      type: SnackType.Status,
      begRun: 0x0102_0304,
      runLength: 0x0506_0708,
      expStatSn: 0x11,
    },
  ],
  [{ opcode: Opcode.Reject, reason: 4, dataSn: 0x77, ...answer }, bytesOf("40800000".padEnd(96, "0"))],
  [{ opcode: Opcode.LogoutRequest, immediate: true, itt: 0x61, reason: 1, cid: 0x0102, ...request }],
  [
    {
      opcode: Opcode.LogoutResponse,
      itt: 0x61,
      response: 3,
      time2Wait: 0x0102,
      time2Retain: 0x0304,
      ...answer,
    },
  ],
];

/** Wireshark's name of a field, by "Opcode.field" where it differs from PDU to PDU, else by field. */
const NAMES: Readonly<Record<string, string>> = {
  opcodeByte: "iscsi.opcode",
  immediate: "iscsi.I",
  totalAhsLength: "iscsi.totalahslength",
  dataLength: "iscsi.datasegmentlength",
  lun: "scsi.lun",
  itt: "iscsi.initiatortasktag",
  ttt: "iscsi.targettransfertag",
  cmdSn: "iscsi.cmdsn",
  expStatSn: "iscsi.expstatsn",
  statSn: "iscsi.statsn",
  expCmdSn: "iscsi.expcmdsn",
  maxCmdSn: "iscsi.maxcmdsn",
  dataSn: "iscsi.datasn",
  expDataSn: "iscsi.expdatasn",
  bufferOffset: "iscsi.bufferOffset",
  isid: "iscsi.isid",
  tsih: "iscsi.tsih",
  cid: "iscsi.cid",
  transit: "iscsi.login.T",
  csg: "iscsi.login.csg",
  nsg: "iscsi.login.nsg",
  versionMax: "iscsi.versionmax",
  versionMin: "iscsi.versionmin",
  versionActive: "iscsi.versionactive",
  "LoginRequest.continues": "iscsi.login.C",
  "LoginResponse.continues": "iscsi.login.C",
  "TextRequest.continues": "iscsi.text.C",
  "TextResponse.continues": "iscsi.text.C",
  "TextRequest.final": "iscsi.text.F",
  "TextResponse.final": "iscsi.text.F",
  "ScsiCommand.final": "iscsi.scsicommand.F",
  "ScsiCommand.read": "iscsi.scsicommand.R",
  "ScsiCommand.write": "iscsi.scsicommand.W",
  "ScsiCommand.attribute": "iscsi.scsicommand.attr",
  "ScsiCommand.edtl": "iscsi.scsicommand.expecteddatatransferlength",
  "ScsiResponse.bidirectionalOverflow": "iscsi.scsiresponse.o",
  "ScsiResponse.bidirectionalUnderflow": "iscsi.scsiresponse.u",
  "ScsiResponse.overflow": "iscsi.scsiresponse.O",
  "ScsiResponse.underflow": "iscsi.scsiresponse.U",
  "ScsiResponse.response": "iscsi.scsiresponse.response",
  "ScsiResponse.status": "iscsi.scsiresponse.status",
  "ScsiResponse.residualCount": "iscsi.scsiresponse.residualcount",
  "ScsiResponse.bidirectionalResidualCount": "iscsi.scsiresponse.bidireadresidualcount",
  "DataOut.final": "iscsi.scsidata.F",
  "DataIn.final": "iscsi.scsidata.F",
  "DataIn.acknowledge": "iscsi.scsidata.A",
  "DataIn.overflow": "iscsi.scsidata.O",
  "DataIn.underflow": "iscsi.scsidata.U",
  "DataIn.hasStatus": "iscsi.scsidata.S",
  "DataIn.status": "iscsi.scsiresponse.status",
  "DataIn.residualCount": "iscsi.scsidata.readresidualcount",
  "R2t.r2tSn": "iscsi.r2tsn",
  "R2t.desiredLength": "iscsi.desireddatalength",
  "TmfRequest.function": "iscsi.taskmanfun.function",
  "TmfRequest.referencedTaskTag": "iscsi.taskmanfun.referencedtasktag",
  "TmfRequest.refCmdSn": "iscsi.refcmdsn",
  "TmfResponse.response": "iscsi.taskmanfun.response",
  "Async.event": "iscsi.asyncevent",
  "Async.vendorCode": "iscsi.eventvendorcode",
  "Async.parameter1": "iscsi.parameter1",
  "Async.parameter2": "iscsi.parameter2",
  "Async.parameter3": "iscsi.parameter3",
  "Snack.type": "iscsi.snack.type",
  "Snack.begRun": "iscsi.snack.begrun",
  "Snack.runLength": "iscsi.snack.runlength",
  "Reject.reason": "iscsi.reject.reason",
  "LogoutRequest.reason": "iscsi.logout.reason",
  "LogoutResponse.response": "iscsi.logout.response",
  "LogoutResponse.time2Wait": "iscsi.time2wait",
  "LogoutResponse.time2Retain": "iscsi.time2retain",
};

/** What Wireshark 4.0 does not print, or prints in another form: fixed bits, RFC 7144, the CDB taken apart. */
const UNCONFIRMED: readonly string[] = [
  "NopOut.final",
  "ScsiCommand.priority",
  "ScsiCommand.cdb",
  "TmfRequest.final",
  "TmfRequest.expDataSn",
  "LoginRequest.immediate",
  "LogoutRequest.final",
  "Snack.final",
  "NopIn.final",
  "ScsiResponse.final",
  "ScsiResponse.statusQualifier",
  "ScsiResponse.snackTag",
  "TmfResponse.final",
  "TmfResponse.totalAhsLength",
  "TmfResponse.dataLength",
  "TmfResponse.additionalInformation",
  // Compared together, as iscsi.login.status.
  "LoginResponse.statusClass",
  "LoginResponse.statusDetail",
  "LogoutResponse.final",
  "R2t.final",
  "Async.final",
  "Async.itt",
  "Reject.final",
  "Reject.itt",
];

const run = promisify(execFile);

/** Every leaf of tshark's tree of one packet, by name, in order. */
type Leaves = Map<string, string[]>;

async function dissect(segments: Parameters<typeof pcap>[0]): Promise<Leaves[]> {
  const folder = await mkdtemp(path.join(tmpdir(), "ts-iscsi-pdu-"));
  try {
    const file = path.join(folder, "conversation.pcap");
    await writeFile(file, pcap(segments));
    const { stdout } = await run(
      "tshark",
      ["-r", file, "-T", "json", "--no-duplicate-keys", "-d", "tcp.port==3260,iscsi"],
      {
        maxBuffer: 64 * 2 ** 20,
      },
    );
    const packets: unknown = JSON.parse(stdout);
    if (!Array.isArray(packets)) throw new TypeError("tshark gave no list");
    return packets.map((packet) => {
      const leaves: Leaves = new Map();
      collect(packet, "", leaves);
      return leaves;
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

function collect(node: unknown, name: string, into: Leaves): void {
  if (Array.isArray(node)) {
    for (const item of node) collect(item, name, into);
  } else if (typeof node === "object" && node !== null) {
    for (const [key, value] of Object.entries(node)) {
      // These tell what Wireshark remembers of the task, and of another PDU: not what this PDU says.
      if (key === "scsi" || key === "Rejected Header") continue;
      // A name is worth noting also where it has only children, as an expert's remark has.
      if (typeof value === "object" && !Array.isArray(value)) into.set(key, into.get(key) ?? []);
      collect(value, key, into);
    }
  } else {
    into.set(name, [...(into.get(name) ?? []), String(node)]);
  }
}

const inTsharkTerms = (value: unknown) =>
  value instanceof Uint8Array
    ? Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join(":")
    : Number(value);

for (const digest of ["None", "CRC32C"] as const) {
  test(`tshark reads every PDU as it was meant, digests ${digest}`, async (t) => {
    const plain = new Encoder();
    const on = digest === "CRC32C";
    const full = new Encoder({ headerDigest: on, dataDigest: on });
    const handshake = login(digest);
    const sent = [...handshake, ...conversation].map(([fields, data], index) => ({
      from: opcodeSender(fields.opcode),
      bytes: Buffer.concat((index < handshake.length ? plain : full).encode(fields, data)),
    }));
    const packets = await dissect(sent);
    t.is(packets.length, sent.length);
    const confirmed = new Set<string>();
    for (const [index, leaves] of packets.entries()) {
      const view = viewPdu(sent[index]!.bytes);
      if (!isOpcode(view.opcode)) return t.fail();
      const name = opcodeName(view.opcode) ?? "";
      t.true(leaves.has("iscsi.opcode"), `packet ${index}, ${name}`);
      const wrong = [...leaves.keys()].filter((key) =>
        /^_ws\.(?:expert|malformed)|iscsi\.\w+\.invalid/.test(key),
      );
      t.deepEqual(
        wrong.map((key) => `${key} ${leaves.get(key)?.join()}`),
        [],
        `packet ${index}, ${name}`,
      );
      if (on && index >= handshake.length)
        t.true(leaves.has("iscsi.headerdigest32"), `packet ${index}, ${name}`);
      if (view.opcode === Opcode.LoginResponse)
        t.is(Number(leaves.get("iscsi.login.status")?.[0]), view.status);
      for (const field of FIELD_TABLES[view.opcode]) {
        const theirs = leaves.get(NAMES[`${name}.${field.name}`] ?? NAMES[field.name] ?? "")?.[0];
        if (theirs === undefined) continue;
        const got = theirs.includes(":") ? theirs : Number(theirs);
        t.is(
          got,
          inTsharkTerms(readField(view.bytes, field, view.offset)),
          `packet ${index}, ${name}.${field.name}`,
        );
        confirmed.add(`${name}.${field.name}`);
      }
    }
    const silent = Object.values(Opcode).flatMap((opcode) =>
      FIELD_TABLES[opcode]
        .map((field) => `${opcodeName(opcode)}.${field.name}`)
        .filter((field) => !confirmed.has(field)),
    );
    t.deepEqual(silent, UNCONFIRMED);
    return undefined;
  });
}
