import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { listGuests, loadGuest, type GuestMarkers } from "#vm-images";

test("sanlab brings the Debian guest and its twin without network drivers", async (t) => {
  const guests = await listGuests();
  const names = new Set(guests.map((guest) => guest.name));
  t.true(names.has("debian-mini"));
  t.true(names.has("debian-mini-no-nic"));
});

test("the twin differs in name and drivers only", async (t) => {
  const guest = await loadGuest("debian-mini");
  const twin = await loadGuest("debian-mini-no-nic");
  const source = { ...guest.source, nicDrivers: [] };
  t.deepEqual(twin, { ...guest, name: twin.name, title: twin.title, source });
});

/** The step and the line of a recorded boot at which it must first be seen; undefined: never. */
type Expected = Readonly<Partial<Record<keyof GuestMarkers, string | undefined>>>;

/** Markers meet the serial logs of real boots: iPXE on e1000 and virtio, SeaBIOS and OVMF, tgtd. */
const marks = test.macro({
  title: (_, log: string) => `markers of debian-mini in the serial log of ${log}`,
  exec: async (t: ExecutionContext, log: string, expected: Expected) => {
    const text = await readFile(path.join(import.meta.dirname, "data", `${log}.log`), "utf8");
    const { markers } = await loadGuest("debian-mini");
    for (const [step, pattern] of Object.entries(markers)) {
      const line = text.split("\n").find((candidate) => new RegExp(pattern ?? "$^").test(candidate));
      const wanted = expected[step as keyof GuestMarkers];
      t.is(line?.replace(/^\[ *[\d.]+\] /u, "").slice(0, wanted?.length), wanted, step);
    }
  },
});
const untilKernel: Expected = {
  kernelLoaded: "debian-mini: kernel loaded",
  kernelStarted: "Linux version 6.1",
};
const fromInit: Expected = {
  initStarted: "debian-mini: init started",
  iscsiLogin: "debian-mini: iSCSI login done",
  diskArrived: "debian-mini: disk arrived: /dev/sda2",
  rootMounted: "debian-mini: root mounted: /dev/sda2 on session1",
  userland: "debian-mini: userland started",
  login: "debian-mini login:",
};

test(marks, "bios", {
  ...untilKernel,
  ...fromInit,
  bootLoader: "\u001B[H\u001B[J\u001B[1;1Hdebian-mini: boot loader started",
  ibftFound: "iBFT found at 0x000000000009e620.",
  nicUp: "debian-mini: network interface up: eth0 52:54:00:12:34:56 driver virtio_net address 10.77.0.58/24",
});
test(marks, "uefi", {
  ...untilKernel,
  ...fromInit,
  bootLoader: "\u001B[0m\u001B[37m\u001B[40mdebian-mini: boot loader started",
  ibftFound: "iBFT detected.",
  nicUp: "debian-mini: network interface up: eth0 52:54:00:12:34:56 driver e1000 address 10.77.0.58/24",
});
test(marks, "no-nic", {
  ...untilKernel,
  bootLoader: "\u001B[H\u001B[J\u001B[1;1Hdebian-mini: boot loader started",
  ibftFound: "iBFT found at 0x000000000009e620.",
  initStarted: "debian-mini: init started",
  nicMissing: "debian-mini: network interface missing: ethernet0 of the iBFT is 52:54:00:12:34:56",
  stopped: "debian-mini: stopped: no network interface of the iBFT could be brought up",
});

test("a marker's named groups are the facts of the step", async (t) => {
  const { markers } = await loadGuest("debian-mini");
  const text = await readFile(path.join(import.meta.dirname, "data/uefi.log"), "utf8");
  const up = new RegExp(markers.nicUp ?? "", "u").exec(text);
  t.deepEqual({ ...up?.groups }, { mac: "52:54:00:12:34:56", driver: "e1000", address: "10.77.0.58/24" });
});

async function folderWith(t: ExecutionContext, text: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-guest-"));
  t.teardown(() => rm(folder, { recursive: true }));
  await mkdir(path.join(folder, "mine"));
  await writeFile(path.join(folder, "mine/guest.yaml"), text);
  return path.join(folder, "mine");
}

const minimal = `name: mine
title: Mine
licence: mine
source: { kind: file, path: ../disk.raw }
firmware: [uefi]
memoryMiB: 2048
markers: { login: "mine login:" }
`;

test("a guest of one's own is loaded by its folder or its file, its image found beside it", async (t) => {
  const folder = await folderWith(t, minimal);
  const guest = await loadGuest(folder);
  t.deepEqual(guest.source, { kind: "file", path: path.join(path.dirname(folder), "disk.raw") });
  t.deepEqual(await loadGuest(path.join(folder, "guest.yaml")), guest);
});

test("a guest may extend one that sanlab brings", async (t) => {
  const folder = await folderWith(t, "extends: debian-mini\nname: mine\nmemoryMiB: 700\n");
  t.like(await loadGuest(folder), { name: "mine", memoryMiB: 700, firmware: ["bios", "uefi"] });
});

test("a disk image without manifest is a guest that asks for a login", async (t) => {
  const folder = await folderWith(t, minimal);
  const image = path.join(folder, "My Disk (1).IMG");
  await writeFile(image, new Uint8Array(512));
  const guest = await loadGuest(image);
  t.like(guest, { name: "my-disk-1-.img", source: { kind: "file", path: image } });
  t.regex("somehost login: ", new RegExp(guest.markers.login!, "u"));
});

test("an unknown guest is refused with the names of the known ones", async (t) => {
  const error = await t.throwsAsync(loadGuest("debian-maxi"), { code: "GUEST_UNKNOWN" });
  t.regex(error.message, /"debian-maxi".*debian-mini,.* debian-mini-no-nic,.* windows,/u);
});

const refused = test.macro({
  title: (_, what: string) => `a guest.yaml is refused with line and column: ${what}`,
  exec: async (t: ExecutionContext, _what: string, text: string, where: string, message: RegExp) => {
    const folder = await folderWith(t, text);
    const error = await t.throwsAsync(loadGuest(folder), { code: "GUEST_INVALID" });
    t.true(error.message.startsWith(`${path.join(folder, "guest.yaml")}:${where}: `), error.message);
    t.regex(error.message, message);
    t.is(error.message.split("\n").length, 1);
  },
});
test(refused, "no YAML", "name: mine\ntitle: [\n", "3:1", /./u);
test(refused, "a misspelt key", `${minimal}memory: 12\n`, "8:9", /: memory: Unrecognized key/u);
test(refused, "a wrong value", minimal.replace("2048", "lots"), "6:12", /memoryMiB: .*number/u);
test(
  refused,
  "no regular expression",
  minimal.replace("mine login:", "(login"),
  "7:19",
  /markers\.login: .*group/iu,
);
test(refused, "a missing field", minimal.replace("licence: mine\n", ""), "1:1", /licence/u);
test(refused, "an empty file", "", "1:1", /name/u);
