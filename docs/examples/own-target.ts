import { MemoryDevice } from "sanlab/block";
import { Session } from "sanlab/initiator";
import { Target } from "sanlab/target";

const iqn = "iqn.2026-11.lab.sanlab:memory";
await using target = await Target.listen({ iqn, luns: [{ lun: 0, device: new MemoryDevice(2 ** 24) }] });
const { host, port } = target.address;

await using session = await Session.login({
  host,
  port,
  target: iqn,
  initiator: "iqn.2026-11.lab.sanlab:me",
});
const disk = await session.disk(0);
const sent = Buffer.from("sanlab".padEnd(4096, "."));
await disk.write(8192, sent, { fua: true });
const back = Buffer.alloc(sent.length);
await disk.read(8192, back);
console.log(back.equals(sent) ? "what was written comes back" : "something else comes back");
for await (const { offset, length, allocated } of disk.extents(0, disk.size))
  console.log(`${offset} + ${length}: ${allocated ? "data" : "hole"}`);
