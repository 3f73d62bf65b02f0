/** Cases that need a network namespace of their own; prints one JSON document. The kernel's own stack is the other end. */
import { execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { errorCode, errorMessage } from "#core";
import { openTap, TapStream } from "#harness/tap-stream";

const hostAddress = [192, 0, 2, 1] as const;
const ownAddress = [192, 0, 2, 2] as const;
const ownMac = Buffer.from("020000000002", "hex");
const broadcast = Buffer.alloc(6, 0xff);

const cases = {
  arp: async () => {
    await using tap = await TapStream.open({ name: "lab0" });
    configure(tap.name);
    tap.write(arpRequest());
    const reply = await frameOf(tap, (frame) => frame.readUInt16BE(12) === 0x0806);
    return { mac: tap.mac, reply: reply.toString("hex"), counters: tap.counters };
  },

  ping: async () => {
    await using tap = await TapStream.open({ name: "lab0" });
    configure(tap.name);
    staticNeighbour(tap.name);
    const payload = Buffer.from("sixteen bytes ok");
    tap.write(echoRequest(Buffer.from(tap.mac.replaceAll(":", ""), "hex"), payload));
    const reply = await frameOf(tap, (frame) => frame.readUInt16BE(12) === 0x0800 && frame[23] === 1);
    return {
      type: reply[34],
      source: [...reply.subarray(26, 30)],
      payload: reply.toString("latin1", 42, 58),
    };
  },

  /** 20,000 datagrams with at most 256 under way: each must come, once, whole and in order. */
  stream: async () => {
    await using tap = await TapStream.open({ name: "lab0" });
    configure(tap.name);
    staticNeighbour(tap.name);
    const total = 20_000;
    const socket = createSocket("udp4");
    let sent = 0;
    const sendUpTo = (limit: number) => {
      while (sent < Math.min(limit, total)) socket.send(numbered(sent++), 9, ownAddress.join("."));
    };
    sendUpTo(256);
    let received = 0;
    let outOfOrder = 0;
    for await (const frame of tap as AsyncIterable<Uint8Array>) {
      const number = numberIn(Buffer.from(frame));
      if (number === undefined) continue;
      if (number !== received || frame.length !== 42 + 1400) outOfOrder++;
      received++;
      if (received === total) break;
      sendUpTo(received + 256);
    }
    socket.close();
    return { received, outOfOrder };
  },

  /** Nobody reads: what waits in user space stays bounded, the rest waits in the kernel, and comes once somebody does. */
  backpressure: async () => {
    await using tap = await TapStream.open({ name: "lab0", readableHighWaterMark: 16 });
    configure(tap.name);
    staticNeighbour(tap.name);
    const total = 900;
    await sendAll(total);
    // Until the reader has used up its credit, which it does whenever frames are there to be read.
    await until(() => tap.counters.framesIn >= 16);
    await settled(() => tap.counters.framesIn);
    const held = tap.counters.framesIn;
    let received = 0;
    for await (const frame of tap as AsyncIterable<Uint8Array>) {
      if (numberIn(Buffer.from(frame)) === received) received++;
      if (received === total) break;
    }
    return { held, received };
  },

  down: async () => {
    await using tap = await TapStream.open({ name: "lab0" });
    await write(tap, arpRequest());
    const { framesLost, framesOut } = tap.counters;
    const short = await write(tap, Buffer.alloc(13));
    return { framesLost, framesOut, short };
  },

  dispose: async () => {
    const before = descriptors();
    let during: boolean;
    {
      await using tap = await TapStream.open({ name: "lab0" });
      configure(tap.name);
      during = exists("lab0");
    }
    const again = await TapStream.open({ name: "lab0" });
    await again[Symbol.asyncDispose]();
    await again[Symbol.asyncDispose]();
    return { during, after: exists("lab0"), leaked: descriptors() - before };
  },

  /** A consumer that waits for the next frame is not left waiting. */
  deleted: async () => {
    await using tap = await TapStream.open({ name: "lab0" });
    const ended = once(tap.resume(), "end");
    ip("link", "delete", "lab0");
    await ended;
    return { ended: true };
  },

  aborted: async () => {
    const controller = new AbortController();
    const tap = await TapStream.open({ name: "lab0", signal: controller.signal });
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    let reason = "";
    tap.once("error", (error) => (reason = error.name)).once("close", resolve);
    controller.abort();
    await closed;
    return { reason, after: exists("lab0") };
  },

  names: async () => {
    using first = await openTap();
    using second = await openTap({ mtu: 9000, vnetHeader: true });
    const mtu = mtuOf(second.name);
    return { names: [first.name, second.name], mtu, macs: first.mac !== second.mac, vnet: second.vnetHeader };
  },

  inUse: async () => {
    using _first = await openTap({ name: "lab0" });
    return { error: await failure(() => openTap({ name: "lab0" })) };
  },

  badNames: async () => ({
    errors: await Promise.all(
      ["", "sixteen-bytes-xx", "a b", "a/b", "ééééééééé"].map(
        async (name) => (await failure(() => openTap({ name })))?.name,
      ),
    ),
    mtu: await failure(() => openTap({ name: "lab0", mtu: 12 })),
    left: exists("lab0"),
  }),

  /** What QEMU is given: the device lives on in the child alone, and dies with it. */
  handOver: async () => {
    const tap = await openTap({ name: "lab0", vnetHeader: true });
    const child = spawn("sleep", ["1000"], { stdio: ["ignore", "ignore", "ignore", tap.fd] });
    await once(child, "spawn");
    tap.close();
    tap.close();
    const during = exists("lab0");
    child.kill("SIGKILL");
    await once(child, "exit");
    return { during, after: exists("lab0") };
  },

  open: async () => {
    using tap = await openTap({ name: "lab0" });
    return { name: tap.name };
  },
} satisfies Record<string, () => Promise<object>>;

// The names of cases as arguments, or none for all; one after the other, since they use the same interface name.
const chosen = process.argv.slice(2);
const results: Record<string, object> = {};
for (const [name, work] of Object.entries(cases)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  results[name] = await work().catch(described);
}
console.log(JSON.stringify(results));

interface Failure {
  readonly name: string;
  readonly code: string;
  readonly message: string;
}

function described(error: unknown): Failure {
  return {
    name: error instanceof Error ? error.name : "",
    code: errorCode(error),
    message: errorMessage(error),
  };
}

async function failure(work: () => Promise<unknown>): Promise<Failure | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return described(error);
  }
}

function ip(...args: readonly string[]): string {
  return execFileSync("ip", args, { encoding: "utf8" });
}

function configure(device: string): void {
  // No router solicitations and the like between the frames that a case counts.
  ip("link", "set", device, "addrgenmode", "none");
  ip("addr", "add", `${hostAddress.join(".")}/24`, "dev", device);
  ip("link", "set", device, "up");
}

function staticNeighbour(device: string): void {
  const mac = [...ownMac].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  ip("neigh", "add", ownAddress.join("."), "lladdr", mac, "dev", device);
}

function exists(device: string): boolean {
  return readFileSync("/proc/net/dev", "utf8").includes(` ${device}:`);
}

function mtuOf(device: string): number {
  const links: readonly { readonly mtu: number }[] = JSON.parse(ip("-json", "link", "show", device));
  return links[0]!.mtu;
}

function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

async function frameOf(tap: TapStream, wanted: (frame: Buffer) => boolean): Promise<Buffer> {
  for await (const chunk of tap.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    const frame = Buffer.from(chunk);
    if (wanted(frame)) return frame;
  }
  throw new Error("the stream ended");
}

async function write(tap: TapStream, frame: Uint8Array): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  tap.once("error", () => undefined);
  tap.write(frame, (error) => resolve(error?.message));
  return await promise;
}

async function sendAll(total: number): Promise<void> {
  const socket = createSocket("udp4");
  const { promise, resolve } = Promise.withResolvers<void>();
  let done = 0;
  for (let i = 0; i < total; i++) {
    socket.send(numbered(i), 9, ownAddress.join("."), () => {
      if (++done === total) resolve();
    });
  }
  await promise;
  socket.close();
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

/** Waits until a figure has stayed the same over a good many turns of the event loop. */
async function settled(figure: () => number): Promise<void> {
  let last = figure();
  for (let same = 0; same < 200; same++) {
    await turn();
    if (figure() !== last) same = 0;
    last = figure();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

function numbered(number: number): Buffer {
  const datagram = Buffer.alloc(1400);
  datagram.writeUInt32BE(number);
  return datagram;
}

function numberIn(frame: Buffer): number | undefined {
  return frame.readUInt16BE(12) === 0x0800 && frame[23] === 17 ? frame.readUInt32BE(42) : undefined;
}

/** RFC 826, over Ethernet. */
function arpRequest(): Buffer {
  return Buffer.concat([
    broadcast,
    ownMac,
    Buffer.from("08060001080006040001", "hex"),
    ownMac,
    Buffer.from(ownAddress),
    Buffer.alloc(6),
    Buffer.from(hostAddress),
  ]);
}

/** RFC 791 and RFC 792: an IPv4 header without options, then an echo request. */
function echoRequest(to: Buffer, payload: Buffer): Buffer {
  const icmp = Buffer.concat([Buffer.from("0800000012340001", "hex"), payload]);
  icmp.writeUInt16BE(checksum(icmp), 2);
  const header = Buffer.from("450000000000000040010000", "hex");
  header.writeUInt16BE(20 + icmp.length, 2);
  const ipv4 = Buffer.concat([header, Buffer.from(ownAddress), Buffer.from(hostAddress)]);
  ipv4.writeUInt16BE(checksum(ipv4), 10);
  return Buffer.concat([to, ownMac, Buffer.from("0800", "hex"), ipv4, icmp]);
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
