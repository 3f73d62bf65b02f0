import path from "node:path";
import test from "ava";
import { Boot, evidenceFolder } from "./helpers/boot.ts";

const silent =
  "reached P11, not login: the kernel found the iBFT, but no frame came from the guest's MAC after hand-over except the end of the firmware's own connection";

for (const firmware of ["BIOS", "UEFI"]) {
  test.serial(`a kernel without the NIC's driver ends with that verdict, ${firmware}`, async (t) => {
    t.timeout(300_000);
    const run = path.join(await evidenceFolder("twin"), "run");
    const boot = new Boot([
      "debian-mini-no-nic",
      "--json",
      "--out",
      run,
      ...(firmware === "UEFI" ? ["--uefi"] : []),
    ]);
    const { status } = await boot.end();
    t.is(status, 1, boot.stderr);
    t.like(boot.document(), { outcome: "fail", reached: "P11", class: "NIC-DRIVER-ABSENT", summary: silent });
  });
}
