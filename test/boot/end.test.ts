import { mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import {
  allGone,
  Boot,
  evidenceFolder,
  family,
  inNamespaces,
  ownNamespace,
  type Process,
} from "./helpers/boot.ts";

let folder: string;
test.before(async () => {
  folder = await evidenceFolder("end");
});

/** A boot whose machine runs and whose target is logged in to. */
async function underWay(
  t: ExecutionContext,
  ...args: readonly string[]
): Promise<{ boot: Boot; run: string; all: readonly Process[] }> {
  t.timeout(120_000);
  const run = path.join(folder, t.title.replaceAll(/\W+/g, "-"));
  const temporary = `${run}-tmp`;
  await mkdir(temporary);
  const boot = new Boot([...args, "--nic", "virtio", "--out", run], { env: { TMPDIR: temporary } });
  t.teardown(() => boot.child.kill("SIGKILL"));
  await boot.until(/P5 /);
  const all = family(boot.pid);
  t.true(
    all.some(({ command }) => command.includes("qemu-system")),
    "QEMU is in the family",
  );
  return { boot, run, all };
}

/** Nothing of a run is left but its folder. */
async function nothingLeft(t: ExecutionContext, all: readonly Process[], run: string): Promise<void> {
  await allGone(all);
  const namespaces = new Set(
    all.map(({ namespace }) => namespace).filter((one) => one !== ownNamespace && one !== ""),
  );
  t.true(namespaces.size > 0, "the run had a network of its own");
  t.deepEqual(inNamespaces(namespaces), [], "nobody is in its network, so its TAP devices are gone");
  t.deepEqual(await readdir(`${run}-tmp`), [], "nothing in the temporary folder");
  const odd = (await readdir(run)).filter(
    (name) =>
      !/^(\.(memory|screen)-\d+|events\.jsonl|(plan|verdict)\.json|(serial|qemu|target-tgtd)\.log|net\.pcap|ibft\.bin|screen\.png)$/.test(
        name,
      ),
  );
  t.deepEqual(odd, [], "nothing unexpected in the run folder");
}

const victims: readonly (readonly [name: string, of: RegExp, args: readonly string[]])[] = [
  ["bin/sanlab itself", /main\.ts boot (?!--inside)/, []],
  ["unshare", /^unshare /, []],
  ["the program inside", /^\S*node .*main\.ts boot --inside/, []],
  ["QEMU", /^\S*qemu-system/, []],
  ["tgtd", /^tgtd /, ["--target", "tgt"]],
];

for (const [name, pattern, args] of victims) {
  test.serial(`kill -9 of ${name} leaves nothing behind`, async (t) => {
    const { boot, run, all } = await underWay(t, ...args);
    const victim = all.find(({ command }) => pattern.test(command));
    t.truthy(victim, all.map(({ command }) => command).join("\n"));
    process.kill(victim!.pid, "SIGKILL");
    if (name === "tgtd") {
      // The guest waits for its disk; whoever gives up on it ends the run.
      boot.child.kill("SIGINT");
    }
    const { status, signal } = await boot.end();
    if (name === "bin/sanlab itself") t.is(signal, "SIGKILL");
    else t.is(status, name === "tgtd" ? 130 : 3, boot.stderr);
    await nothingLeft(t, all, run);
  });
}

test.serial("Ctrl-C ends a run with status 130 and leaves its verdict", async (t) => {
  const { boot, run, all } = await underWay(t);
  boot.child.kill("SIGINT");
  t.is((await boot.end()).status, 130);
  await nothingLeft(t, all, run);
  t.true((await readdir(run)).includes("verdict.json"));
});

test.serial("two runs side by side do not notice each other", async (t) => {
  t.timeout(600_000);
  const boots = ["virtio", "e1000"].map(
    (nic) => new Boot(["--nic", nic, "--json", "--out", path.join(folder, `side-${nic}`)]),
  );
  for (const boot of boots) {
    t.is((await boot.end()).status, 0, boot.stderr);
    t.is(boot.document().outcome, "pass");
  }
});
