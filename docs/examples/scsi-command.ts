import { parseIscsiUrl, Session } from "sanlab/initiator";
import { encodeCdb, formatSense } from "sanlab/scsi";

const { host, port, target = "", lun } = parseIscsiUrl(process.argv[2] ?? "");
const initiator = "iqn.2026-11.lab.sanlab:example";

await using session = await Session.login({ host, port, target, initiator });
const unit = session.unit(lun);
await unit.testUnitReady();
const { blocks, blockSize } = await unit.readCapacity();

// `unit` makes an error of every status but GOOD; `session.execute` gives status and sense as they came.
const cdb = encodeCdb("read16", { lba: blocks, blocks: 1 });
const { status, sense, read } = await session.execute({ lun, cdb, readInto: Buffer.alloc(blockSize) });
console.log(`status ${status}, ${read} bytes:`, sense === undefined ? "no sense" : formatSense(sense));
