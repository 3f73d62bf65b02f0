import { parseIscsiUrl, Session } from "sanlab/initiator";

const { host, port, target = "", lun } = parseIscsiUrl(process.argv[2] ?? "");
const initiator = "iqn.2026-11.lab.sanlab:example";

await using session = await Session.login({ host, port, target, initiator });
const disk = await session.disk(lun);
console.log(`${disk.size / 2 ** 20} MiB in blocks of ${disk.blockSize} bytes`);

const sector = Buffer.alloc(disk.blockSize);
await disk.read(0, sector);
console.log(sector.readUInt16LE(510) === 0xaa55 ? "it may boot: 55 AA is there" : "no boot sector");
