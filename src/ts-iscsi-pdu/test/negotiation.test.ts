import test from "ava";
import { KeyNegotiation } from "../src/negotiation/key-negotiation.ts";
import {
  operationalKeys,
  type OperationalKey,
  type OperationalValues,
} from "../src/negotiation/key-table.ts";

type Wishes = Partial<OperationalValues>;

/** Key, both wishes, what the offer is answered with, the result of RFC 7143 section 13. */
const results: readonly [OperationalKey, Wishes, Wishes, string, string | number | boolean][] = [
  ["MaxBurstLength", { MaxBurstLength: 262_144 }, { MaxBurstLength: 16_384 }, "16384", 16_384],
  ["MaxBurstLength", { MaxBurstLength: 512 }, { MaxBurstLength: 16_384 }, "512", 512],
  ["MaxOutstandingR2T", { MaxOutstandingR2T: 16 }, { MaxOutstandingR2T: 4 }, "4", 4],
  ["ErrorRecoveryLevel", { ErrorRecoveryLevel: 2 }, {}, "0", 0],
  ["MaxConnections", { MaxConnections: 8 }, { MaxConnections: 3 }, "3", 3],
  ["DefaultTime2Wait", { DefaultTime2Wait: 0 }, {}, "2", 2],
  ["DefaultTime2Retain", { DefaultTime2Retain: 60 }, {}, "20", 20],
  ["InitialR2T", { InitialR2T: false }, { InitialR2T: true }, "Yes", true],
  ["InitialR2T", { InitialR2T: false }, { InitialR2T: false }, "No", false],
  ["InitialR2T", { InitialR2T: true }, { InitialR2T: false }, "Yes", true],
  ["ImmediateData", { ImmediateData: true }, { ImmediateData: false }, "No", false],
  ["ImmediateData", { ImmediateData: true }, { ImmediateData: true }, "Yes", true],
  ["DataPDUInOrder", { DataPDUInOrder: false }, { DataPDUInOrder: true }, "Yes", true],
  ["DataSequenceInOrder", { DataSequenceInOrder: false }, { DataSequenceInOrder: false }, "No", false],
  ["HeaderDigest", { HeaderDigest: "CRC32C,None" }, { HeaderDigest: "None,CRC32C" }, "CRC32C", "CRC32C"],
  ["HeaderDigest", { HeaderDigest: "CRC32C,None" }, {}, "None", "None"],
  ["DataDigest", { DataDigest: "CRC32C" }, { DataDigest: "CRC32C" }, "CRC32C", "CRC32C"],
  ["TaskReporting", { TaskReporting: "FastAbort,RFC3720" }, {}, "RFC3720", "RFC3720"],
  ["iSCSIProtocolLevel", { iSCSIProtocolLevel: 2 }, { iSCSIProtocolLevel: 2 }, "2", 2],
];

for (const [key, ours, theirs, answer, result] of results) {
  test(`${key}: ${Object.values(ours).join()} offered to ${Object.values(theirs).join() || "the default"} gives ${result}`, (t) => {
    const offering = new KeyNegotiation({ wishes: ours, sessionType: "Normal" });
    const answering = new KeyNegotiation({ wishes: theirs, sessionType: "Normal" });
    const [pair] = offering.offer([key]);
    t.is(answering.receive(key, pair![1]), answer);
    t.is(offering.receive(key, answer), undefined);
    t.is(offering.finish()[key], result);
    t.is(answering.finish()[key], result);
    t.deepEqual(offering.offer([key]), []);
  });
}

const offering = (key: OperationalKey, wishes: Wishes) => {
  const negotiation = new KeyNegotiation({ wishes, sessionType: "Normal" });
  negotiation.offer([key]);
  return negotiation;
};

/** Offer, and an answer that the responder may not give. */
const wrongAnswers: readonly [OperationalKey, Wishes, string, string][] = [
  ["MaxBurstLength", { MaxBurstLength: 65_536 }, "65537", "§13.13"],
  ["MaxBurstLength", {}, "511", "§13.13"],
  ["MaxBurstLength", {}, "many", "§13.13"],
  ["MaxBurstLength", {}, "16777216", "§13.13"],
  ["DefaultTime2Wait", { DefaultTime2Wait: 5 }, "4", "§13.15"],
  ["InitialR2T", { InitialR2T: true }, "No", "§13.10"],
  ["ImmediateData", { ImmediateData: false }, "Yes", "§13.11"],
  ["ImmediateData", {}, "yes", "§13.11"],
  ["HeaderDigest", { HeaderDigest: "None" }, "CRC32C", "§13.1"],
  ["HeaderDigest", { HeaderDigest: "CRC32C,None" }, "MD5", "§13.1"],
  ["ErrorRecoveryLevel", { ErrorRecoveryLevel: 1 }, "2", "§13.20"],
];

for (const [key, wishes, answer, section] of wrongAnswers) {
  test(`${key}=${answer} is refused as an answer to ${Object.values(wishes).join() || "the default"}`, (t) => {
    const error = t.throws(() => offering(key, wishes).receive(key, answer), { code: "TEXT_VALUE" });
    t.true(error.message.includes(key) && error.message.includes(section), error.message);
  });
}

test("a refusal of any kind leaves the default in force", (t) => {
  for (const refusal of ["NotUnderstood", "Reject", "Irrelevant"]) {
    const negotiation = offering("MaxBurstLength", { MaxBurstLength: 65_536 });
    t.is(negotiation.receive("MaxBurstLength", refusal), undefined);
    t.is(negotiation.finish().MaxBurstLength, 262_144);
  }
});

test("a digest that was demanded and refused ends the negotiation", (t) => {
  const negotiation = offering("HeaderDigest", { HeaderDigest: "CRC32C" });
  negotiation.receive("HeaderDigest", "Reject");
  t.throws(() => negotiation.finish(), { message: /HeaderDigest: the peer does not offer "CRC32C"/ });
});

test("an offer of the peer is answered by the rule and at most once", (t) => {
  const negotiation = new KeyNegotiation({ wishes: { MaxOutstandingR2T: 8 }, sessionType: "Normal" });
  t.is(negotiation.receive("MaxOutstandingR2T", "0x10"), "8");
  t.is(negotiation.results.MaxOutstandingR2T, 8);
  t.throws(() => negotiation.receive("MaxOutstandingR2T", "16"), { message: /sent twice/ });
  t.is(negotiation.receive("MaxConnections", "0"), "Reject");
  t.is(negotiation.receive("X-com.example.Speed", "fast"), "NotUnderstood");
  t.is(negotiation.receive("IFMarker", "Yes"), "No");
  t.is(negotiation.receive("OFMarkInt", "2048"), "Reject");
});

test("MaxRecvDataSegmentLength holds for each direction by itself", (t) => {
  const negotiation = new KeyNegotiation({
    wishes: { MaxRecvDataSegmentLength: 65_536 },
    sessionType: "Normal",
  });
  t.deepEqual(negotiation.offer(["MaxRecvDataSegmentLength"]), [["MaxRecvDataSegmentLength", "65536"]]);
  t.is(negotiation.results.MaxRecvDataSegmentLength, 8192);
  t.is(negotiation.receive("MaxRecvDataSegmentLength", "16384"), undefined);
  t.is(negotiation.finish().MaxRecvDataSegmentLength, 16_384);
  t.is(negotiation.ownMaxRecvDataSegmentLength, 65_536);
  t.throws(() => negotiation.receive("MaxRecvDataSegmentLength", "16384"), { message: /sent twice/ });
  const other = new KeyNegotiation({ wishes: {}, sessionType: "Normal" });
  t.throws(() => other.receive("MaxRecvDataSegmentLength", "511"), { message: /not 512 to 16777215/ });
});

test("keys of normal sessions are irrelevant in discovery", (t) => {
  const negotiation = new KeyNegotiation({ wishes: {}, sessionType: "Discovery" });
  t.deepEqual(negotiation.offer(["MaxBurstLength", "DefaultTime2Wait"]), [["DefaultTime2Wait", "2"]]);
  t.is(negotiation.receive("InitialR2T", "Yes"), "Irrelevant");
});

test("recovery in discovery: nothing is offered, and more than 0 is answered 0", (t) => {
  const negotiation = new KeyNegotiation({ wishes: { ErrorRecoveryLevel: 2 }, sessionType: "Discovery" });
  t.deepEqual(negotiation.offer(["ErrorRecoveryLevel"]), []);
  t.is(negotiation.receive("ErrorRecoveryLevel", "2"), "0");
  t.is(negotiation.finish().ErrorRecoveryLevel, 0);
});

test("an answer that is owed and missing is an error, an implied one is not", (t) => {
  const missing = offering("MaxBurstLength", {});
  t.deepEqual(missing.unanswered, ["MaxBurstLength"]);
  t.throws(() => missing.finish(), { message: /MaxBurstLength: the offer "262144" got no answer/ });
  const implied = offering("InitialR2T", { InitialR2T: true });
  t.deepEqual(implied.unanswered, []);
  t.true(implied.finish().InitialR2T);
});

test("the first burst is never longer than any other", (t) => {
  const negotiation = offering("MaxBurstLength", { MaxBurstLength: 1024 });
  negotiation.receive("MaxBurstLength", "1024");
  t.is(negotiation.finish().FirstBurstLength, 1024);
});

test("full feature phase allows the keys whose use is not limited to login", (t) => {
  const negotiation = new KeyNegotiation({ wishes: {}, sessionType: "Normal", phase: "full-feature" });
  t.is(negotiation.receive("MaxBurstLength", "1024"), "Reject");
  t.is(negotiation.receive("MaxRecvDataSegmentLength", "1024"), undefined);
  t.is(negotiation.receive("MaxRecvDataSegmentLength", "4096"), undefined);
  t.is(negotiation.results.MaxRecvDataSegmentLength, 4096);
});

test("the table has each default inside its own range", (t) => {
  for (const [key, rule] of Object.entries(operationalKeys)) {
    const text = typeof rule.default === "boolean" ? (rule.default ? "Yes" : "No") : String(rule.default);
    t.is(rule.parse(text), rule.default, key);
  }
});
