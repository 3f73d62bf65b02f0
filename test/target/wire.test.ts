import { randomBytes } from "node:crypto";
import test from "ava";
import { MemoryDevice } from "#block";
import { Session } from "#initiator";
import { encodeCdb } from "#scsi";
import { Target } from "#target";
import { Capture } from "../initiator/peers/capture.ts";
import { iqn } from "./clients.ts";

for (const digest of ["None", "CRC32C"])
  test(`tshark finds nothing wrong with what the target sends, digests ${digest}`, async (t) => {
    const capture = new Capture();
    await using device = new MemoryDevice(8 * 1024 * 1024);
    await using target = await Target.listen({ iqn, luns: [{ lun: 1, device }] });
    {
      await using session = await Session.login({
        ...target.address,
        target: iqn,
        initiator: "iqn.2026-01.org.sanlab:client",
        trace: capture.trace,
        keys: {
          HeaderDigest: digest,
          DataDigest: digest,
          InitialR2T: false,
          MaxOutstandingR2T: 4,
          MaxBurstLength: 65_536,
        },
      });
      const content = randomBytes(400_000 - (400_000 % 512));
      const disk = await session.disk(1);
      await disk.write(4096, content);
      const back = Buffer.alloc(content.length);
      await disk.read(4096, back);
      t.true(back.equals(content));
      const failed = await session.execute({
        lun: 1,
        cdb: encodeCdb("read16", { lba: 2 ** 40, blocks: 1 }),
        readInto: Buffer.alloc(512),
      });
      t.is(failed.status, 2);
      const inquiry = Buffer.alloc(255);
      const short = await session.execute({
        lun: 1,
        cdb: encodeCdb("inquiry", { allocationLength: 255 }),
        readInto: inquiry,
      });
      t.is(short.residual.kind, "underflow");
    }
    const { complaints, frames } = await capture.judge();
    t.is(complaints, "");
    t.true(frames > 10);
  });
