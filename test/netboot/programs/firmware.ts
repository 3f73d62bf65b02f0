/**
 * Real firmware under QEMU on a TAP, the iPXE of an emulated NIC or EDK II: it boots as told by DHCP, and the last thing
 * that it is told to do ends the program.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { Netboot, formatRootPath, type NetbootOptions } from "#netboot";
import { Events, end, sh } from "./support.ts";

sh(
  "ip link set lo up; ip tuntap add tap0 mode tap; ip address add 10.7.0.1/24 dev tap0; ip link set tap0 up",
);

const events = new Events();
const common = {
  interfaces: [{ name: "tap0", address: "10.7.0.1", prefixLength: 24 }],
  ra: {},
  report: events.report,
} satisfies NetbootOptions;

/** From a file chosen for iPXE, over HTTP and TFTP, to a request that carries all that iPXE understood. */
const script = `#!ipxe
imgfetch --name blob tftp://\${next-server}/blob || goto failed
imgfetch http://10.7.0.1/done?user=\${username:uristring}&secret=\${password:uristring}&keep=\${keep-san}&drive=\${san-drive}&iqn=\${initiator-iqn}&host=\${hostname}&domain=\${domain}&dns=\${dns}&ip=\${ip}&mask=\${netmask} ||
exit
:failed
imgfetch http://10.7.0.1/failed ||
`;
const scenarios: Readonly<Record<string, { readonly options: NetbootOptions; readonly uefi?: true }>> = {
  chain: {
    options: {
      ...common,
      dhcp: {
        bootFiles: [
          { ipxe: true, architectures: [0], file: "http://10.7.0.1/boot.ipxe" },
          { ipxe: false, file: "not-for-ipxe" },
        ],
        reservations: [{ mac: "52:54:00:12:34:56", address: "10.7.0.42", hostName: "guest" }],
        initiatorName: "iqn.2024-01.com.example:guest",
        options: { domainName: "lab.example", dnsServers: ["10.7.0.5"] },
        ipxe: { username: "ali", password: "baba", keepSan: true, sanDrive: 0x81 },
      },
      files: { entries: { "boot.ipxe": script, blob: new Uint8Array(150_000) } },
      tftp: {},
      http: {},
    },
  },
  san: {
    options: {
      ...common,
      dhcp: { rootPath: formatRootPath({ server: "10.7.0.1", target: "iqn.2024-01.com.example:disk" }) },
    },
  },
  uefi: {
    options: {
      ...common,
      dhcp: {
        bootFile: "bios.0",
        bootFiles: [
          { architectures: [7, 9], firmware: "pxe", file: "boot.efi" },
          { firmware: "http", file: "http://10.7.0.1/boot.efi" },
        ],
      },
      files: { entries: { "boot.efi": new Uint8Array(500_000) } },
      tftp: {},
    },
    uefi: true,
  },
};

const scenario = scenarios[process.argv[2] ?? ""]!;
await using _netboot = await Netboot.start(scenario.options);
const target = createServer((socket) => {
  events.report("connected", {});
  socket.destroy();
}).listen(3260, "10.7.0.1");
await once(target, "listening");
const qemu = spawn(
  "qemu-system-x86_64",
  [
    "-accel tcg -display none -no-reboot -netdev tap,id=net0,ifname=tap0,script=no,downscript=no",
    // Without its own ROM the NIC is driven by EDK II, whose PXE and HTTP boot are meant here.
    scenario.uefi
      ? "-m 256 -bios /usr/share/qemu/OVMF.fd -device virtio-net-pci,netdev=net0,romfile="
      : "-m 128 -boot n -device e1000,netdev=net0",
  ].flatMap((words) => words.split(" ")),
  { stdio: ["ignore", "inherit", "inherit"] },
);
await events.next(
  ({ kind, data }) =>
    kind === "connected" ||
    kind === (scenario.uefi && "tftp-done") ||
    (kind === "http-done" && /^\/(?:done|failed)/.test(String(data["path"]))),
);
await end(qemu, "SIGKILL");
process.stdout.write(JSON.stringify(events.all), () => process.exit(0));
