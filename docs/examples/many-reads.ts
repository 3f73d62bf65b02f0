import { parseIscsiUrl, Session } from "sanlab/initiator";

const { host, port, target = "", lun } = parseIscsiUrl(process.argv[2] ?? "");
const initiator = "iqn.2026-11.lab.sanlab:example";

await using session = await Session.login({ host, port, target, initiator, connections: 2 });
const disk = await session.disk(lun);

// All of them at once: the session sends as many as the target's command window has room for.
const signal = AbortSignal.timeout(30_000);
const pieces = Array.from({ length: 1000 }, () => Buffer.alloc(4096));
await Promise.all(pieces.map((piece, i) => disk.read(i * piece.length, piece, { signal })));
console.log(`${pieces.length} reads over ${session.connectionCount} connections`);
