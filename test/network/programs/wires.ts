/** Cases that need a network namespace of their own; prints one JSON document. `ip` says what the kernel made of them. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readSync, writeSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { errorCode, errorMessage } from "#core";
import { createWire } from "#harness/network";

const cases = {
  whole: async () => {
    const reports: unknown[] = [];
    await using wire = await createWire({
      name: "lab0",
      address: "10.77.0.1/24",
      ipv6: "fd77::1/64",
      mtu: 1400,
      report: (kind, data) => reports.push({ kind, ...data }),
    });
    const bound = await Promise.all(["10.77.0.1", "fd77::1", `${wire.linkLocal}%lab0`].map(listens));
    return {
      wire: {
        mac: wire.mac,
        mtu: wire.mtu,
        address: wire.address,
        ipv6: wire.ipv6,
        linkLocal: wire.linkLocal,
      },
      kernel: shown("link", "show", "dev", "lab0")[0],
      addresses: settledAddresses("lab0"),
      bound,
      reports,
    };
  },

  /** How many segments the kernel sends on its first connection to a machine that acknowledges none of them. */
  clamp: async () => {
    const sent: Record<string, number> = {};
    for (const clampCwnd of [undefined, 4]) {
      await using wire = await createWire({
        name: "lab0",
        address: "10.77.0.1/24",
        vnetHeader: false,
        ...(clampCwnd === undefined ? {} : { clampCwnd }),
      });
      sent[clampCwnd === undefined ? "free" : "clamped"] = await segmentsUnderWay(wire.tapFd);
    }
    return { sent };
  },

  several: async () => {
    await using _first = await createWire({ name: "lab0", address: "10.77.0.1/24" });
    await using _second = await createWire({
      name: "lab1",
      address: "10.78.0.1/16",
      mac: "02:00:00:00:00:99",
    });
    return { routes: ip("route"), mac: shown("link", "show", "dev", "lab1")[0]!["address"] };
  },

  sameMac: async () => {
    const macs: string[] = [];
    for (let i = 0; i < 2; i++) {
      await using wire = await createWire({ name: "lab0", address: "10.77.0.1/24" });
      macs.push(wire.mac);
    }
    return { same: macs[0] === macs[1], left: devices() };
  },

  /** What one machine sends on the wire, the other and the host hear. */
  bridge: async () => {
    await using wire = await createWire({
      name: "lab0",
      address: "10.77.0.1/24",
      ports: 2,
      vnetHeader: false,
    });
    const [one, two] = wire.ports;
    const request = Buffer.from(
      "ffffffffffff020000000002080600010800060400010200000000020a4d00020000000000000a4d0001",
      "hex",
    );
    writeSync(one!.fd, request);
    const heard = await frameFrom(two!.fd, isArp);
    const reply = await frameFrom(one!.fd, (frame) => isArp(frame) && frame.readUInt16BE(20) === 2);
    return {
      ports: wire.ports.map((port) => port.name),
      heard: heard.equals(request),
      answeredBy: reply.toString("hex", 22, 28) === wire.mac.replaceAll(":", ""),
    };
  },

  bridgeTakenDown: async () => {
    {
      await using _wire = await createWire({ name: "lab0", address: "10.77.0.1/24", ports: 3 });
    }
    return { left: devices() };
  },

  handOver: async () => {
    await using wire = await createWire({ name: "lab0", address: "10.77.0.1/24" });
    const machine = spawn("sleep", ["1000"], { stdio: ["ignore", "ignore", "ignore", wire.tapFd] });
    await once(machine, "spawn");
    wire.handOver();
    wire.handOver();
    const during = devices();
    machine.kill("SIGKILL");
    await once(machine, "exit");
    return { during, after: devices() };
  },
} satisfies Record<string, () => Promise<object>>;

/** Options that cannot be, each by itself. */
const failures = {
  badAddress: { name: "lab0", address: "10.77.0.1" },
  badPrefix: { name: "lab0", address: "10.77.0.1/33" },
  badIpv6: { name: "lab0", address: "10.77.0.1/24", ipv6: "10.77.0.1/24" },
  badName: { name: "a wire with a long name", address: "10.77.0.1/24" },
  badMtu: { name: "lab0", address: "10.77.0.1/24", mtu: 1_000_000 },
  badMac: { name: "lab0", address: "10.77.0.1/24", mac: "nonsense" },
  tooWide: { name: "lab0", address: "10.77.0.1/16", clampCwnd: 4 },
  // A group address is refused by the kernel only when devices and bridge are there.
  halfDone: { name: "lab0", address: "10.77.0.1/24", ports: 2, mac: "03:00:00:00:00:01" },
  aborted: { name: "lab0", address: "10.77.0.1/24", signal: AbortSignal.abort() },
} satisfies Record<string, Parameters<typeof createWire>[0]>;

// A private network begins with its loopback down; elsewhere that is brought up on entering it.
ip("link", "set", "dev", "lo", "up");
const results: Record<string, object> = {};
for (const [name, work] of Object.entries(cases)) {
  results[name] = await work().catch((error: unknown) => ({ failed: errorMessage(error) }));
}
for (const [name, options] of Object.entries(failures)) results[name] = await failure(options);
results["devices"] = { left: devices() };
console.log(JSON.stringify(results));

async function failure(options: Parameters<typeof createWire>[0]): Promise<object> {
  try {
    await using _wire = await createWire(options);
    return {};
  } catch (error) {
    const name = error instanceof Error ? error.name : "";
    return { name, code: errorCode(error), message: errorMessage(error) };
  }
}

function ip(...args: readonly string[]): string {
  return execFileSync("ip", args, { encoding: "utf8" });
}

function shown(...args: readonly string[]): readonly Readonly<Record<string, unknown>>[] {
  const list: readonly Readonly<Record<string, unknown>>[] = JSON.parse(ip("-json", ...args));
  return list;
}

/** Addresses of a device as the kernel has them; without those that it does not use yet. */
function settledAddresses(device: string): readonly string[] {
  const lines = ip("-oneline", "addr", "show", "dev", device).split("\n");
  return lines.flatMap((line) => (line.includes("tentative") ? [] : (/ inet6? (\S+)/.exec(line)?.[1] ?? [])));
}

function isArp(frame: Buffer): boolean {
  return frame.readUInt16BE(12) === 0x0806;
}

function devices(): readonly string[] {
  return [...readFileSync("/proc/net/dev", "utf8").matchAll(/^\s*([\w.-]+):/gm)]
    .map((match) => match[1]!)
    .sort();
}

async function listens(host: string): Promise<boolean> {
  const server = createServer().listen({ host, port: 0 });
  await once(server, "listening");
  server.close();
  return true;
}

/** Plays a machine at 10.77.0.100 that opens a connection, advertises 65,535 bytes and then falls silent. */
async function segmentsUnderWay(fd: number): Promise<number> {
  ip("neigh", "add", "10.77.0.100", "lladdr", "02:00:00:00:00:02", "dev", "lab0");
  const server = createServer((socket) => {
    socket.on("error", () => undefined).write(Buffer.alloc(1 << 20));
    connected.resolve(socket);
  });
  const connected = Promise.withResolvers<Socket>();
  server.listen({ host: "10.77.0.1", port: 3260 });
  await once(server, "listening");
  writeSync(fd, tcpSegment({ flags: 0x02, sequence: 1000, acknowledgement: 0 }));
  const answer = await frameFrom(fd, (frame) => frame.readUInt16BE(12) === 0x0800 && frame[47] === 0x12);
  writeSync(fd, tcpSegment({ flags: 0x10, sequence: 1001, acknowledgement: answer.readUInt32BE(38) + 1 }));
  const socket = await connected.promise;
  let unacknowledged: string | undefined;
  while (unacknowledged === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const state = execFileSync("ss", ["-tinH", "src", "10.77.0.1:3260"], { encoding: "utf8" });
    unacknowledged = /unacked:(\d+)/.exec(state)?.[1];
  }
  socket.resetAndDestroy();
  server.close();
  return Number(unacknowledged);
}

/** A whole frame from 02:00:00:00:00:02 to the host: Ethernet, IPv4 (RFC 791), TCP (RFC 9293) without options. */
function tcpSegment(fields: { flags: number; sequence: number; acknowledgement: number }): Buffer {
  const mac = /ether ([\da-f:]+)/.exec(ip("link", "show", "dev", "lab0"))?.[1] ?? "";
  const frame = Buffer.alloc(54);
  frame.write(`${mac.replaceAll(":", "")}0200000000020800`, "hex");
  frame.write("45000028000040004006", 14, "hex");
  frame.set([10, 77, 0, 100, 10, 77, 0, 1], 26);
  frame.writeUInt16BE(checksum(frame.subarray(14, 34)), 24);
  frame.writeUInt16BE(40_000, 34);
  frame.writeUInt16BE(3260, 36);
  frame.writeUInt32BE(fields.sequence, 38);
  frame.writeUInt32BE(fields.acknowledgement >>> 0, 42);
  frame.writeUInt16BE(0x5000 | fields.flags, 46);
  frame.writeUInt16BE(0xffff, 48);
  const pseudoHeader = Buffer.concat([frame.subarray(26, 34), Buffer.from([0, 6, 0, 20])]);
  frame.writeUInt16BE(checksum(Buffer.concat([pseudoHeader, frame.subarray(34)])), 50);
  return frame;
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

async function frameFrom(fd: number, wanted: (frame: Buffer) => boolean): Promise<Buffer> {
  const buffer = Buffer.alloc(2048);
  for (;;) {
    try {
      const frame = buffer.subarray(0, readSync(fd, buffer));
      if (wanted(frame)) return Buffer.from(frame);
    } catch (error) {
      if (errorCode(error) !== "EAGAIN") throw error;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}
