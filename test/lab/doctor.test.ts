import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import test from "ava";
import { findIpxeRom } from "#harness/qemu-launcher";
import { diagnoseMachine, romImages, type Check } from "#harness/lab";

/** The checks as a process sees them that was started by some other command. */
const checksBy = async (file: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) => {
  const program = path.join(import.meta.dirname, "programs", "doctor.ts");
  const child = spawn(file, [...args, process.execPath, "--conditions=source", program], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const checks: readonly Check[] = JSON.parse(await text(child.stdout));
  return new Map(checks.map((check) => [check.name, check]));
};

test.serial(
  "on this machine nothing is missing that a boot needs, and all tests' tools are there",
  async (t) => {
    const checks = await diagnoseMachine();
    t.deepEqual(
      checks.filter(({ status }) => status === "fail"),
      [],
    );
    const good = new Set(checks.filter(({ status }) => status === "ok").map(({ name }) => name));
    for (const name of [
      "Node.js",
      "QEMU",
      "iproute2",
      "OVMF",
      "tgt",
      "istgt",
      "tshark",
      "image tools",
      "apt",
      "koffi",
    ]) {
      t.true(good.has(name), name);
    }
  },
);

test.serial("each check that is not good names a cure, each good one none, all in one line", async (t) => {
  const checks = await checksBy("env", ["PATH=/nowhere"]);
  t.true([...checks.values()].some(({ status }) => status === "warn"));
  for (const check of checks.values()) {
    t.is(check.cure === undefined, check.status === "ok", check.name);
    t.false(`${check.detail}${check.cure}`.includes("\n"), check.name);
  }
});

test.serial("what is not installed is missed, with the package that has it", async (t) => {
  // An empty folder in the place of those with programs stands for a machine where nothing was installed.
  const hide = ["/usr/sbin", "/usr/local/bin", "/usr/share/OVMF", "/usr/lib/ipxe", "/usr/bin"];
  const shell = `for at in ${hide.join(" ")}; do [ ! -d $at ] || mount -t tmpfs none $at || exit 9; done; exec "$@"`;
  const checks = await checksBy("unshare", ["--map-root-user", "--mount", "sh", "-c", shell, "sh"]);
  t.like(checks.get("QEMU"), { status: "fail", cure: "apt-get install qemu-system-x86" });
  t.like(checks.get("iproute2"), { status: "fail", cure: "apt-get install iproute2" });
  t.like(checks.get("OVMF"), { status: "warn", cure: "apt-get install ovmf" });
  t.like(checks.get("tgt"), { status: "warn", cure: "apt-get install tgt" });
  t.like(checks.get("istgt"), { status: "warn", cure: "apt-get install istgt" });
  t.like(checks.get("tshark"), { status: "warn", cure: "apt-get install tshark" });
  t.like(checks.get("private namespaces"), { status: "warn", cure: "apt-get install util-linux" });
  t.regex(checks.get("image tools")!.cure!, /apt-get install .*mtools/);
  t.regex(checks.get("apt")!.detail, /not a Debian system/);
});

test.serial("without ROMs of iPXE the NICs cannot boot", async (t) => {
  const shell = 'mount -t tmpfs none /usr/lib/ipxe && exec "$@"';
  const checks = await checksBy("unshare", ["--map-root-user", "--mount", "sh", "-c", shell, "sh"]);
  for (const nic of ["e1000", "rtl8139", "virtio"]) {
    t.like(checks.get(`iPXE for ${nic}`), { status: "fail", cure: "apt-get install ipxe-qemu" });
  }
});

test.serial("without /dev/net/tun only the fall-back is left", async (t) => {
  const shell = 'mount -t tmpfs none /dev/net && exec "$@"';
  const checks = await checksBy("unshare", ["--map-root-user", "--mount", "sh", "-c", shell, "sh"]);
  t.like(checks.get("/dev/net/tun"), { status: "warn", cure: "modprobe tun" });
  t.regex(checks.get("TAP device")!.detail, /user-mode network/);
  t.is(checks.get("private namespaces")!.status, "ok");
});

test.serial("where namespaces are forbidden the check says how to allow them", async (t) => {
  const shell =
    'echo 0 >/proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$@"';
  const checks = await checksBy("unshare", ["--map-root-user", "sh", "-c", shell, "sh"]);
  t.like(checks.get("private namespaces"), { status: "warn", cure: "sysctl user.max_user_namespaces=15000" });
  t.is(checks.get("TAP device")!.status, "warn");
});

test.serial("a full disk keeps runs from beginning", async (t) => {
  const shell = 'mount -t tmpfs -o size=1m none /mnt && cd /mnt && exec "$@"';
  const checks = await checksBy("unshare", ["--map-root-user", "--mount", "sh", "-c", shell, "sh"]);
  t.like(checks.get("disk space"), { status: "fail" });
  t.regex(checks.get("disk space")!.detail, /\/mnt: a run needs 256/);
});

test.serial("iPXE's ROMs of QEMU are for BIOS and for UEFI", async (t) => {
  t.deepEqual(romImages(readFileSync(await findIpxeRom("e1000"))), ["BIOS", "UEFI"]);
});

test.serial("bytes that are no ROM, or a damaged one, give what can be read and no error", async (t) => {
  const rom = readFileSync(await findIpxeRom("virtio"));
  t.deepEqual(romImages(Buffer.alloc(0)), []);
  t.deepEqual(romImages(Buffer.alloc(4096)), []);
  t.deepEqual(romImages(Buffer.from("55aa", "hex")), []);
  const end = rom.readUInt8(2) * 512;
  t.deepEqual(romImages(rom.subarray(0, end)), ["BIOS"]);
  const endless = Buffer.from(rom);
  const data = endless.readUInt16LE(0x18);
  endless.writeUInt16LE(0, data + 0x10);
  t.deepEqual(romImages(endless), ["BIOS"]);
  const astray = Buffer.from(rom);
  astray.writeUInt16LE(0xffff, 0x18);
  t.deepEqual(romImages(astray.subarray(0, 0x8000)), []);
});
