import test from "ava";
import { formatRootPath, pxelinuxConfig, pxelinuxConfigName, sanbootScript } from "#netboot";

const target = "iqn.2024-01.com.example:disk";
const rootPaths = [
  [{ server: "10.0.0.1", target }, `iscsi:10.0.0.1::::${target}`],
  [{ server: "10.0.0.1", port: 3260, lun: 0, target }, `iscsi:10.0.0.1::::${target}`],
  [{ server: "san.example", port: 3261, lun: 1, target }, `iscsi:san.example::3261:1:${target}`],
  [{ server: "10.0.0.1", lun: 240, target }, `iscsi:10.0.0.1:::f0:${target}`],
  [{ server: "10.0.0.1", lun: 256, target }, `iscsi:10.0.0.1:::4100:${target}`],
  [{ server: "fd12::1", target: "eui.02004567A425678D" }, "iscsi:[fd12::1]::::eui.02004567A425678D"],
] as const;
for (const [given, text] of rootPaths) {
  test(`root-path ${text} (${JSON.stringify(given)})`, (t) => {
    t.is(formatRootPath(given), text);
  });
}

const badRootPaths = [
  [{ server: "10.0.0.1/x", target }, "BAD_ROOT_PATH"],
  [{ server: "", target }, "BAD_ROOT_PATH"],
  [{ server: "a:b", target }, "BAD_ROOT_PATH"],
  [{ server: "10.0.0.1", port: 0, target }, "BAD_ROOT_PATH"],
  [{ server: "10.0.0.1", lun: 16_384, target }, "BAD_ROOT_PATH"],
  [{ server: "10.0.0.1", lun: 1.5, target }, "BAD_ROOT_PATH"],
  [{ server: "10.0.0.1", target: "disk" }, "BAD_ISCSI_NAME"],
  [{ server: "10.0.0.1", target: "iqn.2024-01.x:a b" }, "BAD_ISCSI_NAME"],
  [{ server: "10.0.0.1", target: `iqn.${"a".repeat(220)}` }, "BAD_ISCSI_NAME"],
] as const;
for (const [given, code] of badRootPaths) {
  test(`no root-path: ${JSON.stringify(given).slice(0, 80)}`, (t) => {
    t.throws(() => formatRootPath(given), { code });
  });
}

test("the shortest script boots and ends", (t) => {
  t.is(
    sanbootScript({ rootPath: "iscsi:10.0.0.1::::iqn.2024-01.x:y" }),
    "#!ipxe\nsanboot iscsi:10.0.0.1::::iqn.2024-01.x:y || exit\n",
  );
});

test("every part of a sanboot script", (t) => {
  t.is(
    sanbootScript({
      rootPath: "iscsi:[fd12::1]::::iqn.2024-01.x:y",
      initiatorName: "iqn.2024-01.x:i",
      dhcp: true,
      keepSan: true,
      drive: 0x81,
      onFailure: "shell",
    }),
    "#!ipxe\ndhcp || shell\nset initiator-iqn iqn.2024-01.x:i\nsanboot --drive 0x81 --keep iscsi:[fd12::1]::::iqn.2024-01.x:y || shell\n",
  );
  t.is(
    sanbootScript({ rootPath: "http://10.0.0.1/disk.img", keepSan: true, hookOnly: true }),
    "#!ipxe\nsanhook http://10.0.0.1/disk.img || exit\n",
  );
});

for (const rootPath of [
  "a b",
  "a\nshell",
  "a||shell",
  "a&&b",
  "a;b",
  "${net0/mac}",
  '"a',
  "a\\b",
  "a#b",
  "",
  "a\u0007b",
]) {
  test(`iPXE would misread ${JSON.stringify(rootPath)}`, (t) => {
    t.throws(() => sanbootScript({ rootPath }), { code: "BAD_IPXE_WORD" });
  });
}

test("a PXELINUX menu", (t) => {
  t.is(
    pxelinuxConfig({
      serialBaud: 115_200,
      menu: "menu.c32",
      title: "The lab",
      timeoutSeconds: 5,
      default: "san",
      entries: [
        { label: "local", title: "The local disk" },
        { label: "linux", kernel: "vmlinuz", initrds: ["a.img", "b.img"], append: "console=ttyS0 quiet" },
        { label: "san", kernel: "ipxe.lkrn", initrds: ["boot.ipxe"] },
      ],
    }),
    `SERIAL 0 115200
UI menu.c32
MENU TITLE The lab
DEFAULT san
PROMPT 0
TIMEOUT 50
LABEL local
  MENU LABEL The local disk
  LOCALBOOT 0
LABEL linux
  KERNEL vmlinuz
  INITRD a.img,b.img
  APPEND console=ttyS0 quiet
LABEL san
  KERNEL ipxe.lkrn
  INITRD boot.ipxe
`,
  );
});

const entry = { label: "a", kernel: "k" };
const badMenus = [
  ["two entries of a name", { entries: [entry, entry] }, "DUPLICATE_LABEL"],
  ["a default that is no entry", { entries: [entry], default: "b" }, "UNKNOWN_LABEL"],
  ["no entry", { entries: [] }, "UNKNOWN_LABEL"],
  ["a label of two words", { entries: [{ label: "a b" }] }, "BAD_PXELINUX_WORD"],
  ["a comma in an initrd's name", { entries: [{ ...entry, initrds: ["a,b"] }] }, "BAD_PXELINUX_WORD"],
  ["a line break in arguments", { entries: [{ ...entry, append: "a\nDEFAULT b" }] }, "BAD_PXELINUX_LINE"],
  ["half a second", { entries: [entry], timeoutSeconds: 0.5 }, "BAD_NUMBER"],
] as const;
for (const [what, config, code] of badMenus) {
  test(`no PXELINUX menu: ${what}`, (t) => {
    t.throws(() => pxelinuxConfig(config), { code });
  });
}

test("PXELINUX looks for a machine's menu by its hardware address", (t) => {
  t.is(pxelinuxConfigName("52:54:00:AB:CD:EF"), "pxelinux.cfg/01-52-54-00-ab-cd-ef");
});
