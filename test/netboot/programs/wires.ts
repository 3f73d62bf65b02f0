/**
 * Two wires of one subnet in one namespace, each with a client in a namespace of its own: udhcpc and curl on them, the
 * kernel for IPv6, dumpcap listening, and dnsmasq asked the same afterwards.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Netboot } from "#netboot";
import { end, Events, netNamespace, runToEnd, sh, startUntil, until } from "./support.ts";

const MACS = ["52:54:00:00:00:01", "52:54:00:00:00:02"] as const;
const folder = mkdtempSync(path.join(tmpdir(), "sanlab-wires-"));
const script = path.join(folder, "script");
writeFileSync(
  script,
  `#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
env > ${folder}/env-$interface
ip address replace $ip/$mask dev $interface
`,
  { mode: 0o755 },
);

sh("ip link set lo up");
const clients = [await netNamespace(), await netNamespace()] as const;
for (const [i, { pid, enter }] of clients.entries()) {
  sh(
    `ip link add srv${i} type veth peer name cli${i} address ${MACS[i]!} && ip link set cli${i} netns ${pid}`,
  );
  sh(`ip address add 10.7.0.${i + 1}/24 dev srv${i} && ip link set srv${i} up`);
  sh(`${enter.join(" ")} ip link set cli${i} up`);
}

const captures = await Promise.all(
  [0, 1].map((i) =>
    startUntil(/^File: /, ["dumpcap", "-q", "-i", `srv${i}`, "-w", path.join(folder, `srv${i}.pcap`)]),
  ),
);

const udhcpc = (i: 0 | 1, ...args: readonly string[]) => [
  ...clients[i].enter,
  ...`busybox udhcpc -f -i cli${i} -s ${script} -x hostname:client`.split(" "),
  ...["rootpath", "search", "staticroutes", "mtu", "ntpsrv", "tftp", "bootfile"].flatMap((name) => [
    "-O",
    name,
  ]),
  ...args,
];
const learned = (i: 0 | 1) => {
  const names =
    /^(?:ip|mask|subnet|broadcast|router|dns|domain|search|rootpath|staticroutes|mtu|ntpsrv|hostname|lease|serverid|siaddr|tftp|bootfile|boot_file)=/;
  const lines = readFileSync(path.join(folder, `env-cli${i}`), "utf8").split("\n");
  return Object.fromEntries(lines.filter((line) => names.test(line)).map((line) => line.split(/=(.*)/s)));
};
const inClient = (i: 0 | 1, command: string) => sh(`${clients[i].enter.join(" ")} ${command}`);

const events = new Events();
const result: Record<string, unknown> = {};
{
  await using netboot = await Netboot.start({
    interfaces: [0, 1].map((i) => ({ name: `srv${i}`, address: `10.7.0.${i + 1}`, prefixLength: 24 })),
    dhcp: {
      pool: [{ first: "10.7.0.100", last: "10.7.0.150" }],
      reservations: [{ mac: MACS[0], address: "10.7.0.77", hostName: "guest" }],
      bootFile: "pxelinux.0",
      rootPath: "iscsi:10.7.0.1::::iqn.2024-01.x:y",
      options: {
        routers: ["10.7.0.1"],
        dnsServers: ["10.7.0.5", "10.7.0.6"],
        domainName: "lab.example",
        domainSearch: ["lab.example", "a.lab.example"],
        ntpServers: ["10.7.0.7"],
        interfaceMtu: 1400,
        classlessRoutes: [
          { destination: "10.9.0.0/16", router: "10.7.0.1" },
          { destination: "0.0.0.0/0", router: "10.7.0.1" },
        ],
      },
    },
    files: { entries: { "hello.txt": "hello" } },
    tftp: {},
    http: {},
    ra: { intervalSeconds: 600 },
    report: events.report,
  });

  // Both at once: each must be answered on its own wire.
  await Promise.all([runToEnd(udhcpc(0, "-q", "-n")), runToEnd(udhcpc(1, "-q", "-n"))]);
  result["learned"] = [learned(0), learned(1)];
  result["acks"] = events.all.filter(({ kind }) => kind === "dhcp-ack").map(({ data }) => data);

  const client = await startUntil(/lease of .* obtained/, udhcpc(0));
  const before = events.all.length;
  client.kill("SIGUSR1");
  result["renewal"] = (await events.next(({ kind }) => kind === "dhcp-ack", before)).data;
  client.kill("SIGUSR2");
  result["release"] = (await events.next(({ kind }) => kind === "dhcp-release", before)).data;
  result["states"] = netboot.leases().map(({ address, state }) => `${address} ${state}`);
  await end(client);

  inClient(0, "ip address replace 10.7.0.77/24 dev cli0");
  result["http"] = await runToEnd([...clients[0].enter, "curl", "-sS", "http://10.7.0.1/hello.txt"]);
  result["tftp"] = await runToEnd([...clients[0].enter, "curl", "-sS", "tftp://10.7.0.1/hello.txt"]);
  // The answer to the second wire's client must not leave by the first one's route.
  result["tftpSecond"] = await runToEnd([...clients[1].enter, "curl", "-sS", "tftp://10.7.0.2/hello.txt"]);

  for (const i of [0, 1] as const) {
    const global = () =>
      inClient(i, `ip -6 -o address show dev cli${i} scope global`).match(/fd73[0-9a-f:]+/)?.[0];
    result[`slaac${i}`] = await until(global);
  }
  // A host that has heard of a router asks for none; when its link comes back it asks again.
  const heard = events.all.length;
  inClient(1, "ip link set cli1 down");
  inClient(1, "ip link set cli1 up");
  result["solicited"] = (
    await events.next(({ kind, data }) => kind === "ra-sent" && data["solicited"] === true, heard)
  ).data;
  result["defaultRoute"] = inClient(0, "ip -6 route show default");
}
result["portsFreed"] = sh("ss -Hulpn 'sport = :67 or sport = :69 or sport = :4011'; ss -Htlpn 'sport = :80'");

{
  await using _netboot = await Netboot.start({
    interfaces: [{ name: "srv0", address: "10.7.0.1", prefixLength: 24 }],
    ra: { defaultRouter: true, prefixes: ["fd12:3456:789a:1::"] },
    report: events.report,
  });
  result["askedDefaultRoute"] = await until(() => inClient(0, "ip -6 route show default"));
}
await until(() => inClient(0, "ip -6 route show default") === "" || undefined);

for (const capture of captures) await end(capture, "SIGINT");
const ours = [0, 1].map((i) => path.join(folder, `srv${i}.pcap`));
const tshark = (file: string, filter: string, ...fields: readonly string[]) =>
  sh(
    `tshark -r ${file} -Y '${filter}' -T fields ${fields.map((field) => `-e ${field}`).join(" ")} 2>/dev/null`,
  );
const sent = "(udp.srcport == 67 or icmpv6.type == 134 or udp.srcport == 4011)";
result["malformed"] = ours.map((file) =>
  tshark(file, `_ws.malformed or (${sent} and _ws.expert)`, "frame.number", "_ws.expert.message"),
);
result["badChecksum"] = ours.map((file) =>
  tshark(file, "icmpv6.type == 134 and icmpv6.checksum.status == 0", "frame.number"),
);
result["replies"] = ours.map((file) =>
  tshark(file, "udp.srcport == 67", "ip.src", "ip.dst", "dhcp.hw.mac_addr").trim().split("\n"),
);
result["advertisements"] = tshark(
  ours[0]!,
  "icmpv6.type == 134",
  "ipv6.hlim",
  "icmpv6.nd.ra.flag.m",
  "icmpv6.nd.ra.flag.o",
  "icmpv6.opt.prefix",
)
  .trim()
  .split("\n");

const dnsmasq = await startUntil(
  /DHCP, IP range/,
  [
    // Debug mode, in which it does not try to become another user.
    "dnsmasq --no-daemon --conf-file=/dev/null --port=0",
    "--interface=srv0 --bind-interfaces --except-interface=lo --leasefile-ro --no-ping --dhcp-authoritative",
    `--dhcp-range=10.7.0.100,10.7.0.150,12h --dhcp-host=${MACS[0]},10.7.0.77,guest --dhcp-boot=pxelinux.0`,
    "--dhcp-option=3,10.7.0.1 --dhcp-option=6,10.7.0.5,10.7.0.6 --dhcp-option=15,lab.example",
    "--dhcp-option=17,iscsi:10.7.0.1::::iqn.2024-01.x:y --dhcp-option=26,1400 --dhcp-option=42,10.7.0.7",
    "--dhcp-option=66,10.7.0.1 --dhcp-option=119,lab.example,a.lab.example",
    "--dhcp-option=121,10.9.0.0/16,10.7.0.1,0.0.0.0/0,10.7.0.1",
  ].flatMap((words) => words.split(" ")),
);
await runToEnd(udhcpc(0, "-q", "-n"));
result["dnsmasq"] = learned(0);
await end(dnsmasq);
rmSync(folder, { recursive: true });
process.stdout.write(JSON.stringify(result), () => process.exit(0));
