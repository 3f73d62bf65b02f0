import test from "ava";
import { MemoryDevice } from "#block";
import { readFaultPlan } from "#faults";
import { Target } from "#target";
import { client, iqn, url } from "./clients.ts";

interface Case {
  readonly on: string;
  readonly action: string;
  readonly when?: string;
  /** Whether QEMU's disk survives it: a read and a write succeed. */
  readonly survives: boolean;
  /** Sessions that QEMU needs for it. */
  readonly sessions?: number;
  readonly digest?: "crc32c";
  readonly says?: RegExp;
}

/** What libiscsi in QEMU makes of each fault. Rules fire at the disk's own reads and writes, not while it is opened. */
const cases: Readonly<Record<string, Case>> = {
  "sense is an I/O error": {
    on: "{ scsi: READ, lba: [64, 71] }",
    action: "{ sense: { key: 3, asc: 0x11, ascq: 0 } }",
    survives: false,
    says: /Input\/output error|MEDIUM/i,
  },
  "status BUSY is tried again": {
    on: "{ scsi: READ, lba: [64, 71] }",
    action: "{ status: 8 }",
    when: "{ times: 2 }",
    survives: true,
  },
  "a unit that is taken away fails": {
    on: "{ scsi: READ, lba: [64, 71] }",
    action: "{ remove-lun: true }",
    survives: false,
    says: /Input\/output error|LOGICAL_UNIT|ILLEGAL/i,
  },
  "a connection that is closed comes back": {
    on: "{ scsi: READ, lba: [64, 71] }",
    action: "{ close: fin }",
    when: "{ times: 1 }",
    survives: true,
    sessions: 2,
  },
  "a connection that is reset comes back": {
    on: "{ scsi: WRITE, lba: [64, 71] }",
    action: "{ close: rst }",
    when: "{ times: 1 }",
    survives: true,
    sessions: 2,
  },
  "a PDU that is cut off comes back with the next connection": {
    on: "{ pdu: DataIn, fields: { dataLength: 4096 } }",
    action: "{ truncate: 100 }",
    when: "{ times: 1 }",
    survives: true,
    sessions: 2,
  },
  "a damaged header is noticed by its digest": {
    on: "{ pdu: DataIn, fields: { dataLength: 4096 } }",
    action: "{ flip: { where: header, bits: 2 } }",
    when: "{ times: 1 }",
    survives: true,
    sessions: 2,
    digest: "crc32c",
  },
  "a request to log out is obeyed": {
    on: "{ scsi: READ, lba: [64, 71] }",
    action: "{ async: { event: 1, parameter3: 5 } }",
    when: "{ times: 1 }",
    survives: true,
    sessions: 2,
  },
  "a narrow window only slows down": {
    on: "{ scsi: READ, lba: [64, 71] }",
    action: "{ window: 1 }",
    survives: true,
  },
  "a delay only slows down": {
    on: "{ scsi: READ, lba: [64, 71] }",
    action: "{ delay: 100 }",
    survives: true,
  },
};

for (const [name, { on, action, when, survives, sessions, digest, says }] of Object.entries(cases))
  test(`QEMU: ${name}`, async (t) => {
    t.timeout(60_000);
    await using device = new MemoryDevice(1024 * 1024);
    const shots: unknown[] = [];
    let opened = 0;
    const yaml = `seed: 3\nrules:\n  - { id: f, on: ${on}, do: ${action}${when === undefined ? "" : `, when: ${when}`} }\n`;
    await using target = await Target.listen({
      iqn,
      luns: [{ lun: 0, device }],
      faults: readFaultPlan(yaml, "faults.yaml"),
      report: (kind, data) => {
        if (kind === "fault") shots.push(data["action"]);
        if (kind === "session-open") opened += 1;
      },
    });
    const { host, port } = target.address;
    const disk = `driver=raw,file.driver=iscsi,file.transport=tcp,file.portal=${host}:${port},file.target=${iqn},file.lun=0${digest === undefined ? "" : `,file.header-digest=${digest}`}`;
    const commands = ["read -P 0 32768 4096", "write -P 0x5a 32768 4096", "read -P 0x5a 32768 4096"];
    const ended = await client("qemu-io", [
      "--image-opts",
      disk,
      ...commands.flatMap((command) => ["-c", command]),
    ]);
    t.true(shots.length > 0, "it fired");
    const passed = (ended.stdout.match(/^(read|wrote) 4096\/4096/gm) ?? []).length;
    t.is(passed === 3, survives, `${ended.stdout}\n${ended.stderr}`);
    if (says !== undefined) t.regex(ended.stdout + ended.stderr, says);
    if (sessions !== undefined) t.true(opened >= sessions, `${opened} sessions`);
  });

const faults = (action: string) =>
  readFaultPlan(`seed: 1\nrules:\n  - { id: f, on: { login: any }, do: ${action} }\n`, "faults.yaml");

test("libiscsi follows a redirection, and is told that a login is refused", async (t) => {
  await using device = new MemoryDevice(1024 * 1024);
  await using second = await Target.listen({
    iqn,
    luns: [{ lun: 1, device, identity: { product: "THE OTHER" } }],
  });
  const { host, port } = second.address;
  await using first = await Target.listen({
    iqn,
    luns: [{ lun: 1, device }],
    faults: faults(`{ redirect: { address: "${host}:${port}" } }`),
  });
  t.regex((await client("iscsi-inq", [url(first.address)])).stdout, /Product:THE OTHER/);
  first.setFaults(faults("{ refuse: { class: 2, detail: 3 } }"));
  const refused = await client("iscsi-inq", [url(first.address)]);
  t.regex(refused.stderr, /not found|0203|515/i);
});
