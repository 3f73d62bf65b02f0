import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { FileDevice, MemoryDevice } from "#block";
import {
  encodeCdb,
  readFullStatus,
  readLbaStatus,
  readReservationKeys,
  readReservation,
  writeReserveOutParameters,
  writeUnmapList,
} from "#scsi";
import { Target, type LogicalUnitOptions } from "#target";
import { Opcode } from "ts-iscsi-pdu";
import { client as run, iqn, url } from "./clients.ts";
import { RawClient, identity } from "./raw-client.ts";

const mebibyte = 1024 * 1024;
const tebibyte = mebibyte * mebibyte;

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-units-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function serve(
  t: ExecutionContext,
  luns: readonly LogicalUnitOptions[],
  host = "127.0.0.1",
): Promise<Target> {
  const target = await Target.listen({ iqn, luns, host });
  t.teardown(() => target[Symbol.asyncDispose]());
  return target;
}

async function logIn(t: ExecutionContext, target: Target, last = 1): Promise<RawClient> {
  const client = await RawClient.connect(target.address);
  t.teardown(() => client[Symbol.dispose]());
  client.isid = Buffer.from([0x80, 0, 0, 1, 0, last]);
  t.is((await client.login({ ...identity, MaxRecvDataSegmentLength: "65536" })).status, 0);
  return client;
}

interface Done {
  readonly status: number;
  readonly data: Buffer;
}

/** Carries out one command; data out goes as immediate data. */
async function execute(client: RawClient, cdb: Uint8Array, data?: Uint8Array): Promise<Done> {
  client.command(
    cdb,
    data === undefined ? { read: true, edtl: 4096 } : { write: true, edtl: data.length, data },
  );
  const received = await client.next();
  if (received?.pdu.opcode === Opcode.DataIn) return { status: received.pdu.status, data: received.data };
  if (received?.pdu.opcode === Opcode.ScsiResponse)
    return { status: received.pdu.status, data: received.data.subarray(2) };
  throw new Error("neither data nor status");
}

test("a disk of 8 TiB is read at its end, by READ(16) only", async (t) => {
  const device = new MemoryDevice(8 * tebibyte);
  await device.write(8 * tebibyte - 512, Buffer.alloc(512, "end"));
  const target = await serve(t, [{ lun: 1, device }]);
  t.regex(
    (await run("iscsi-readcapacity16", [url(target.address)])).stdout,
    /RETURNED LOGICAL BLOCK ADDRESS:17179869183\n/,
  );
  const client = await logIn(t, target);
  const small = await execute(client, encodeCdb("readCapacity10", {}));
  t.is(small.data.toString("hex"), "ffffffff00000200");
  const last = await execute(client, encodeCdb("read16", { lba: 2 ** 34 - 1, blocks: 1 }));
  t.is(last.data.toString("latin1", 0, 6), "endend");
  const past = await execute(client, encodeCdb("read16", { lba: 2 ** 34, blocks: 1 }));
  t.is(past.data.toString("hex", 12, 14), "2100");
});

test("many units, also above 255 and 16383, in order; one that is not there says so (SAM-5 §4.7)", async (t) => {
  const device = new MemoryDevice(mebibyte);
  const target = await serve(
    t,
    [70_000, 300, 0, 255].map((lun) => ({ lun, device })),
  );
  const client = await logIn(t, target);
  client.command(encodeCdb("reportLuns", { allocationLength: 4096 }), { lun: 0, read: true, edtl: 4096 });
  const list = await client.next();
  t.is(
    list?.data.toString("hex"),
    "0000002000000000000000000000000000ff000000000000412c000000000000d201117000000000",
  );
  client.command(encodeCdb("testUnitReady", {}), { lun: 300 });
  t.like((await client.next())?.pdu, { status: 0 });
  client.command(encodeCdb("testUnitReady", {}), { lun: 301 });
  t.is((await client.next())?.data.toString("hex", 14, 16), "2500");
  client.command(encodeCdb("inquiry", { allocationLength: 96 }), { lun: 301, read: true, edtl: 96 });
  t.is((await client.next())?.data[0], 0x7f);
});

test("IPv6 works, and discovery tells the address in brackets", async (t) => {
  const target = await serve(t, [{ lun: 1, device: new MemoryDevice(mebibyte) }], "::1");
  t.regex((await run("iscsi-inq", [url(target.address)])).stdout, /SANLAB/);
  const { stdout } = await run("iscsi-ls", [`iscsi://[::1]:${target.address.port}`]);
  t.true(stdout.includes(`Portal:[::1]:${target.address.port},1`));
});

test("an ISO image is a CD-ROM with blocks of 2048 bytes that nobody writes to", async (t) => {
  const device = new MemoryDevice(2 * mebibyte);
  await device.write(16 * 2048, Buffer.alloc(2048, "CD001 volume"));
  const target = await serve(t, [{ lun: 1, device, type: "cdrom" }]);
  const client = await logIn(t, target);
  t.is((await execute(client, encodeCdb("inquiry", { allocationLength: 96 }))).data.readUInt16BE(0), 0x0580);
  t.is((await execute(client, encodeCdb("readCapacity10", {}))).data.toString("hex"), "000003ff00000800");
  t.is(
    (await execute(client, encodeCdb("read10", { lba: 16, blocks: 1 }))).data.toString("latin1", 0, 5),
    "CD001",
  );
  const toc = await execute(client, encodeCdb("readToc", { allocationLength: 804 }));
  t.is(toc.data.toString("hex"), "0012010100140100000000000014aa0000000400");
  const refused = await execute(client, encodeCdb("write10", { lba: 0, blocks: 1 }), Buffer.alloc(2048));
  t.is(refused.status, 2);
});

test("UNMAP lets go of blocks of a file, and GET LBA STATUS tells which", async (t) => {
  const file = path.join(await folderOf(t), "thin.img");
  await using device = await FileDevice.create(file, 4 * mebibyte);
  await device.write(0, Buffer.alloc(4 * mebibyte, "full"));
  await device.flush();
  const client = await logIn(t, await serve(t, [{ lun: 1, device }]));
  const list = writeUnmapList([{ lba: 2048, blocks: 2048 }]);
  t.is((await execute(client, encodeCdb("unmap", { parameterListLength: list.length }), list)).status, 0);
  const status = await execute(client, encodeCdb("getLbaStatus", { lba: 0, allocationLength: 4096 }));
  t.deepEqual(readLbaStatus(status.data), [
    { lba: 0, blocks: 2048, status: 0 },
    { lba: 2048, blocks: 2048, status: 1 },
    { lba: 4096, blocks: 4096, status: 0 },
  ]);
  t.true(
    (await execute(client, encodeCdb("read10", { lba: 3000, blocks: 8 }))).data.every((byte) => byte === 0),
  );
});

const register = (serviceKey: string, extra: object = {}) =>
  writeReserveOutParameters({ key: "0", serviceKey, ...extra });
const own = (key: string) => writeReserveOutParameters({ key, serviceKey: "0" });

test("a persistent reservation with APTPL outlives the target, one without does not (SPC-4 §5.12.5)", async (t) => {
  const reservationFile = path.join(await folderOf(t), "reservations.json");
  const device = new MemoryDevice(mebibyte);
  for (const persist of [true, false]) {
    {
      await using target = await Target.listen({ iqn, luns: [{ lun: 1, device, reservationFile }] });
      const client = await logIn(t, target);
      const parameters = register("00000000deadbeef", { persist });
      t.is(
        (await execute(client, encodeCdb("proutRegisterAndIgnore", { parameterListLength: 24 }), parameters))
          .status,
        0,
      );
      t.is(
        (
          await execute(
            client,
            encodeCdb("proutReserve", { type: 3, parameterListLength: 24 }),
            own("00000000deadbeef"),
          )
        ).status,
        0,
      );
    }
    await using target = await Target.listen({ iqn, luns: [{ lun: 1, device, reservationFile }] });
    const other = await logIn(t, target, 2);
    const keys = await execute(other, encodeCdb("prinReadKeys", { allocationLength: 4096 }));
    t.deepEqual(readReservationKeys(keys.data).keys, persist ? ["00000000deadbeef"] : []);
    const read = await execute(other, encodeCdb("read10", { lba: 0, blocks: 1 }));
    t.is(read.status, persist ? 0x18 : 0);
    const same = await logIn(t, target, 1);
    t.is((await execute(same, encodeCdb("read10", { lba: 0, blocks: 1 }))).status, 0);
  }
});

test("PREEMPT takes a reservation over and tells the one who had it (SPC-4 §5.12.11.5)", async (t) => {
  const target = await serve(t, [{ lun: 1, device: new MemoryDevice(mebibyte) }]);
  const [first, second] = [await logIn(t, target, 1), await logIn(t, target, 2)];
  const [a, b] = ["000000000000000a", "000000000000000b"];
  await execute(first, encodeCdb("proutRegister", { parameterListLength: 24 }), register(a));
  await execute(second, encodeCdb("proutRegister", { parameterListLength: 24 }), register(b));
  t.is(
    (await execute(first, encodeCdb("proutReserve", { type: 5, parameterListLength: 24 }), own(a))).status,
    0,
  );
  t.is(
    (await execute(second, encodeCdb("proutReserve", { type: 5, parameterListLength: 24 }), own(b))).status,
    0x18,
  );
  const preempt = writeReserveOutParameters({ key: b, serviceKey: a });
  t.is(
    (await execute(second, encodeCdb("proutPreempt", { type: 1, parameterListLength: 24 }), preempt)).status,
    0,
  );
  const told = await execute(first, encodeCdb("testUnitReady", {}));
  t.is(told.data.toString("hex", 12, 14), "2a05");
  const reservation = await execute(first, encodeCdb("prinReadReservation", { allocationLength: 4096 }));
  t.deepEqual(readReservation(reservation.data), {
    generation: 3,
    reservation: { key: b, type: 1, scope: 0 },
  });
  const status = readFullStatus(
    (await execute(first, encodeCdb("prinReadFullStatus", { allocationLength: 4096 }))).data,
  );
  t.deepEqual(
    status.registrations.map(({ key, holder, initiatorPort }) => [key, holder, initiatorPort]),
    [[b, true, `${identity.InitiatorName},i,0x800000010002`]],
  );
});

test("an error of the device is a MEDIUM ERROR, a full disk DATA PROTECT", async (t) => {
  const device = new MemoryDevice(mebibyte);
  device.read = async () => Promise.reject(new Error("broken"));
  device.write = async () => Promise.reject(Object.assign(new Error("full"), { code: "ENOSPC" }));
  const client = await logIn(t, await serve(t, [{ lun: 1, device }]));
  const read = await execute(client, encodeCdb("read10", { lba: 0, blocks: 1 }));
  t.is(read.data.toString("hex", 0, 14), "700003000000000a000000001100");
  const write = await execute(client, encodeCdb("write10", { lba: 0, blocks: 1 }), Buffer.alloc(512));
  t.is(write.data.toString("hex", 0, 14), "700007000000000a000000002707");
});
