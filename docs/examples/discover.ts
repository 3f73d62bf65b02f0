import { discover, formatPortal, parseIscsiUrl } from "sanlab/initiator";

const { host, port } = parseIscsiUrl(process.argv[2] ?? "");
const initiator = "iqn.2026-11.lab.sanlab:example";

for (const { name, portals } of await discover({
  host,
  port,
  initiator,
  signal: AbortSignal.timeout(10_000),
}))
  console.log(name, "at", portals.map(formatPortal).join(", "));
