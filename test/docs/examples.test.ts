import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { MemoryDevice } from "#block";
import { Target } from "#target";
import { execute, root } from "../cli/sanlab.ts";

const folder = path.join(root, "docs/examples");
const page = readFileSync(path.join(root, "docs/initiator.md"), "utf8");
const iqn = "iqn.2026-01.org.sanlab:target";

/** What each example prints, for the port of its target. */
const printed: Readonly<Record<string, (port: number) => string>> = {
  "read-boot-sector.ts": () => "16 MiB in blocks of 512 bytes\nit may boot: 55 AA is there\n",
  "discover.ts": (port) => `${iqn} at 127.0.0.1:${port}\n`,
  "many-reads.ts": () => "1000 reads over 2 connections\n",
  "scsi-command.ts": () =>
    "status 2, 0 bytes: ILLEGAL REQUEST: Logical Block Address Out Of Range (21h/00h)\n",
  "errors.ts": () => "TARGET_NOT_FOUND, status 0x203\nSCSI_CHECK_CONDITION, sense key 5\nSESSION_CLOSED\n",
  "trace.ts": () => "login\ndigests CRC32C, CRC32C; recovery level 2\n",
  "own-target.ts": () => "what was written comes back\n0 + 65536: data\n65536 + 16711680: hole\n",
};

async function run(name: string) {
  const device = new MemoryDevice(2 ** 24);
  const sector = Buffer.alloc(512);
  sector.writeUInt16LE(0xaa55, 510);
  await device.write(0, sector);
  await using target = await Target.listen({
    iqn,
    luns: [{ lun: 0, device }],
    keys: { ErrorRecoveryLevel: 2 },
  });
  const { port } = target.address;
  const scratch = await mkdtemp(path.join(tmpdir(), "sanlab-example-"));
  try {
    const capture = path.join(scratch, "session.pcapng");
    const file = path.join(folder, name);
    const args = ["--conditions=source", file, `iscsi://127.0.0.1:${port}/${iqn}/0`, capture];
    const finished = await execute(process.execPath, args);
    const fields = ["-d", `tcp.port==${port},iscsi`, "-Y", "iscsi", "-T", "fields", "-e", "iscsi.opcode"];
    const decoded = name === "trace.ts" ? await execute("tshark", ["-r", capture, ...fields]) : undefined;
    return { ...finished, port, decoded };
  } finally {
    await rm(scratch, { recursive: true });
  }
}

for (const [name, expected] of Object.entries(printed)) {
  test(`${name} runs and prints what it promises`, async (t) => {
    const { status, stdout, stderr, port, decoded } = await run(name);
    t.deepEqual([status, stderr, stdout], [0, "", expected(port)]);
    if (decoded !== undefined) t.regex(decoded.stdout, /^0x03\n0x23\n[^]*0x06\n0x26\n$/, "login to logout");
  });
}

test("the page shows the first example as it is, and names them all", (t) => {
  t.true(page.includes(`\`\`\`ts\n${readFileSync(path.join(folder, "read-boot-sector.ts"), "utf8")}\`\`\``));
  const names = readdirSync(folder);
  t.deepEqual(names, Object.keys(printed).toSorted());
  for (const name of names) t.true(page.includes(`(examples/${name})`), name);
});
