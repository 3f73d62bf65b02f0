import { chmodSync, existsSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { execa } from "execa";
import { runFolder } from "./guest.ts";

const limitMs = 60_000;

/** Starts `hold-machine.ts` in a process group of its own and waits until its guest runs. */
async function holder(t: ExecutionContext) {
  const runDir = runFolder(t);
  const child = execa(
    process.execPath,
    ["--conditions=source", path.join(import.meta.dirname, "programs/hold-machine.ts"), runDir],
    { reject: false, detached: true, forceKillAfterDelay: false },
  );
  t.teardown(() => child.kill("SIGKILL"));
  const lines = child.iterable()[Symbol.asyncIterator]();
  const first = await lines.next();
  const qemu = Number(first.value);
  t.true(existsSync(`/proc/${qemu}`), `no QEMU ${String(first.value)}`);
  return { child, qemu, runDir };
}

/** Waits for the end of a process that is not our child. */
async function ended(pid: number): Promise<void> {
  const end = performance.now() + limitMs;
  while (existsSync(`/proc/${pid}`)) {
    if (performance.now() > end) throw new Error(`process ${pid} still lives`);
    await setTimeout(10);
  }
}

test.serial(
  "kill -9 of the launching process takes QEMU with it and leaves no file but the run folder's",
  async (t) => {
    const { child, qemu, runDir } = await holder(t);
    const before = openPaths(qemu);
    child.kill("SIGKILL");
    await ended(qemu);
    t.deepEqual(readdirSync(runDir).toSorted(), ["guest.img", "qemu.log", "serial.log"]);
    // Nothing that QEMU had open has a name outside the run folder.
    t.deepEqual(
      before.filter(
        (file) => !file.startsWith(runDir) && !file.startsWith("/dev/") && !file.endsWith(" (deleted)"),
      ),
      [],
    );
  },
);

test.serial("Ctrl-C reaches the whole terminal group, but QEMU ends in order", async (t) => {
  const { child, qemu } = await holder(t);
  process.kill(-(child.pid ?? 0), "SIGINT");
  const { exitCode, stdout } = await child;
  t.is(exitCode, 130);
  t.is(stdout.split("\n").at(-1), "ended in order");
  t.false(existsSync(`/proc/${qemu}`));
});

test.serial("kill -9 of QEMU is told by the process that holds it", async (t) => {
  const { child, qemu } = await holder(t);
  process.kill(qemu, "SIGKILL");
  const { stdout } = await child;
  t.is(stdout.split("\n").at(-1), "guest: QEMU ended with SIGKILL");
});

test.serial("a TAP is handed over: the guest's frames come through, and it is gone with QEMU", async (t) => {
  const program = path.join(import.meta.dirname, "programs/tap-machine.ts");
  const node = [process.execPath, "--conditions=source", program, runFolder(t)];
  const { stdout } = await execa("unshare", ["--map-root-user", "--net", "--", ...node]);
  t.deepEqual(JSON.parse(stdout), { frames: true, left: false });
});

/** Runs a little program that wants QEMU in another environment and gives the error it meets. */
async function errorWith(env: Record<string, string>): Promise<unknown> {
  const program = `
    import { findQemu } from "#harness/qemu-launcher";
    console.log(JSON.stringify(await findQemu().catch(({ code, message }) => ({ code, message }))));`;
  const root = path.resolve(import.meta.dirname, "../..");
  const { stdout } = await execa(
    process.execPath,
    ["--conditions=source", "--input-type=module-typescript", "--eval", program],
    { cwd: root, env, extendEnv: false },
  );
  return JSON.parse(stdout);
}

test("without QEMU the error names the package", async (t) => {
  t.deepEqual(await errorWith({ PATH: "/nonexistent" }), {
    code: "QEMU_MISSING",
    message: "qemu-system-x86_64 is not installed: install the Debian package qemu-system-x86",
  });
});

test("SANLAB_QEMU names another QEMU, which must exist and be new enough", async (t) => {
  t.like(await errorWith({ SANLAB_QEMU: "/nonexistent/qemu" }), { code: "QEMU_MISSING" });
  const folder = runFolder(t);
  const old = path.join(folder, "qemu");
  writeFileSync(old, "#!/bin/sh\necho 'QEMU emulator version 5.2.0 (Debian)'\n");
  chmodSync(old, 0o755);
  const env = { SANLAB_QEMU: old, PATH: process.env["PATH"] ?? "" };
  t.deepEqual(await errorWith(env), {
    code: "QEMU_TOO_OLD",
    message: `${old} is 5.2.0: 7.2 or newer is needed`,
  });
  writeFileSync(old, "#!/bin/sh\necho 'QEMU emulator version 10.0.2'\necho /usr/share/qemu\n");
  t.like(await errorWith(env), { program: old, version: "10.0.2" });
});

/** The files with a name that a process has open. */
function openPaths(pid: number): string[] {
  const names = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  return names.filter((name) => name.startsWith("/"));
}
