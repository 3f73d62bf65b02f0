import { closeSync, openSync, writeSync } from "node:fs";
import { PcapngWriter, SessionTraces } from "sanlab/capture";
import { parseIscsiUrl, Session } from "sanlab/initiator";

const { host, port, target = "", lun } = parseIscsiUrl(process.argv[2] ?? "");
const [, , , capture = "session.pcapng"] = process.argv;

const file = openSync(capture, "w", 0o600);
const traces = new SessionTraces(new PcapngWriter((block) => void writeSync(file, block)));
const session = await Session.login({
  host,
  port,
  target,
  initiator: "iqn.2026-11.lab.sanlab:example",
  keys: { HeaderDigest: "CRC32C,None", DataDigest: "CRC32C,None", ErrorRecoveryLevel: 2 },
  trace: traces.record,
  report: (event) => console.log(event),
});
const { HeaderDigest, DataDigest, ErrorRecoveryLevel } = session.values;
console.log(`digests ${HeaderDigest}, ${DataDigest}; recovery level ${ErrorRecoveryLevel}`);
await session.disk(lun);
await session.logout();
traces.close();
closeSync(file);
