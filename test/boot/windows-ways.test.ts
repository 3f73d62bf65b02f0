import { writeFile } from "node:fs/promises";
import path from "node:path";
import test from "ava";
import { Boot, evidenceFolder } from "./helpers/boot.ts";

let folder: string;
test.before(async () => {
  folder = await evidenceFolder("windows-ways");
});

const guest = "debian-mini-windows-routes";
const chap = "targets: [{ chapType: one-way, chapName: vm0, chapSecret: eight by }]";
/** The LAN's port first, the SAN's port second: Linux does not mind. */
const swapped = `nics:
    - { mac: "52:54:00:5a:4e:02", pci: 00:03.0, ip: 10.77.1.100, prefix: 24 }
    - { mac: "52:54:00:5a:4e:01", pci: 00:02.0, ip: 10.77.0.100, prefix: 24 }
  targets: [{ nic: 1 }]`;

/** What only Windows punishes. */
for (const [title, yaml, reached, name] of [
  ["iPXE, a gateway that is silent", `guest: ${guest}\ngateway: silent\n`, "P12", "GW-DEAD"],
  ["iPXE, a gateway that answers", `guest: ${guest}\ngateway: answers\n`, "P17", null],
  [
    "a secret of eight bytes that nobody asks for",
    `guest: ${guest}\nfirmware: emulated\nibft:\n  ${chap}\n`,
    "P12",
    "CHAP-LEN",
  ],
  [
    "the SAN's port second in the table",
    `guest: ${guest}\nfirmware: emulated\nnics: [{ model: virtio }, { model: virtio }]\nibft:\n  ${swapped}\n`,
    "P12",
    "NIC-ORDER",
  ],
] as const) {
  test.serial(`Windows' ways with an iBFT: ${title}`, async (t) => {
    t.timeout(400_000);
    const file = path.join(folder, `${title.replaceAll(/\W+/g, "-")}.yaml`);
    await writeFile(file, yaml.includes("nics: [") ? yaml : `nics: [{ model: virtio }]\n${yaml}`);
    const boot = new Boot([file, "--json", "--out", file.replace(".yaml", "")]);
    const { status } = await boot.end();
    const document = boot.document();
    t.log(document.summary);
    t.deepEqual([document.reached, document.class], [reached, name], boot.stdout);
    t.is(status, name === null ? 0 : 1);
  });
}
