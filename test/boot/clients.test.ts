import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { Boot, evidenceFolder } from "./helpers/boot.ts";
import { tshark } from "./helpers/tshark.ts";

let folder: string;
test.before(async () => {
  folder = await evidenceFolder("clients");
});

/** Boots a scenario to its login and gives its run folder. */
async function boots(t: ExecutionContext, name: string, scenario: object): Promise<string> {
  t.timeout(300_000);
  const file = path.join(folder, `${name}.yaml`);
  await writeFile(file, JSON.stringify(scenario));
  const run = path.join(folder, name);
  const boot = new Boot([file, "--json", "--out", run]);
  const { status } = await boot.end();
  t.is(status, 0, `${boot.stdout}\n${boot.stderr}`);
  t.like(boot.document(), { outcome: "pass", reached: "P17" });
  t.log(boot.document().summary);
  return run;
}

/** The text of all Login Responses or Requests, as tshark reads them. */
async function loginKeys(run: string, opcode: string): Promise<readonly string[]> {
  const fields = ["-T", "fields", "-e", "iscsi.keyvalue", "-E", "separator=,"];
  const { stdout } = await tshark(run, "-Y", `iscsi.opcode == ${opcode}`, ...fields);
  return stdout.split("\n").filter((line) => line !== "");
}

test.serial(
  "iPXE and Linux log in with CHAP both ways, and Linux boots with digests over header and data",
  async (t) => {
    const run = await boots(t, "digests", {
      chap: "mutual",
      requests: ["digests"],
      nics: [{ model: "virtio" }],
    });
    const answers = await loginKeys(run, "0x23");
    t.true(
      answers.some((keys) => keys.includes("HeaderDigest=CRC32C") && keys.includes("DataDigest=CRC32C")),
      answers.join("\n"),
    );
    const requests = await loginKeys(run, "0x03");
    t.true(
      requests.filter((keys) => keys.includes("CHAP_R=")).length >= 2,
      "iPXE's and Linux' own responses",
    );
    t.true(answers.filter((keys) => keys.includes("CHAP_R=")).length >= 2, "and this target's to both");
    t.notRegex(await readFile(path.join(run, "serial.log"), "utf8"), /digest error/i);
  },
);

test.serial("the same guest boots from istgt", async (t) => {
  const run = await boots(t, "istgt", { target: "istgt", nics: [{ model: "virtio" }] });
  t.regex(await readFile(path.join(run, "serial.log"), "utf8"), /FreeBSD\s+iSCSI DISK/i);
});
