import { SanlabError } from "sanlab/core";
import { LoginError, parseIscsiUrl, ScsiError, Session } from "sanlab/initiator";

const { host, port, target = "", lun } = parseIscsiUrl(process.argv[2] ?? "");
const initiator = "iqn.2026-11.lab.sanlab:example";

/** What a program can tell about a failure; `message` is the line for people. */
function explain(error: unknown): string {
  if (error instanceof LoginError) return `${error.code}, status 0x${error.status?.toString(16)}`;
  if (error instanceof ScsiError) return `${error.code}, sense key ${error.sense?.key}`;
  if (error instanceof SanlabError) return error.code;
  throw error;
}

try {
  await Session.login({ host, port, target: `${target}.missing`, initiator });
} catch (error) {
  console.log(explain(error));
}
await using session = await Session.login({ host, port, target, initiator });
try {
  await session.unit(lun + 1).readCapacity();
} catch (error) {
  console.log(explain(error));
}
const disk = await session.disk(lun);
await session.logout();
try {
  await disk.read(0, Buffer.alloc(disk.blockSize));
} catch (error) {
  console.log(explain(error));
}
