import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { errorCode, formatIp, type Report } from "#core";
import { createHash } from "node:crypto";
import { openTap, type Tap } from "#harness/tap-stream";
import { parseCidr, type Cidr } from "./cidr.ts";
import { ip } from "./ip-command.ts";

export interface WireOptions {
  /** Interface name of the host's end: 1 to 12 bytes, so that numbered ports fit. */
  readonly name: string;
  /** The host's IPv4 address on this wire with its prefix length: `10.77.0.1/24`. */
  readonly address: string;
  /** The host's IPv6 address with its prefix length: `fd77::1/64`. A link-local one exists without it. */
  readonly ipv6?: string;
  /** Largest payload of a frame in bytes. Default 1500. */
  readonly mtu?: number;
  /** The host's hardware address on this wire. Default: one that the kernel makes up. */
  readonly mac?: string;
  /**
   * Upper bound, in segments, of what the host's TCP sends on this wire without acknowledgement. For a receiver that loses
   * bursts: QEMU's rtl8139 has a ring of 8 KiB, and 4 segments keep it from dropping.
   */
  readonly clampCwnd?: number;
  /** How many machines are on the wire. Default 1; more get a bridge. */
  readonly ports?: number;
  /** A virtio_net_hdr before each frame, as QEMU expects for offloads. Default true. */
  readonly vnetHeader?: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** Where one virtual machine is plugged in. */
export interface WirePort {
  /** The TAP device. */
  readonly name: string;
  /**
   * The open TAP device, to be given to QEMU (`-netdev tap,fd=`); undefined where koffi is missing and the device was
   * made by `ip tuntap`, to be opened by name (`-netdev tap,ifname=…,script=no,downscript=no`).
   */
  readonly fd: number | undefined;
  /** Closes this process's descriptor once QEMU has its own: the device then ends with QEMU. Harmless when repeated. */
  handOver(): void;
}

export interface Wire extends AsyncDisposable {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly address: Cidr;
  readonly ipv6: Cidr | undefined;
  /** The host's `fe80::…` address on this wire; undefined on a kernel without IPv6. */
  readonly linkLocal: string | undefined;
  readonly ports: readonly WirePort[];
  /** The first port's descriptor. */
  readonly tapFd: number | undefined;
  /** Closes this process's descriptors of all ports. */
  handOver(): void;
}

/**
 * Lays an Ethernet segment: a TAP device for each machine, under a bridge where there are several; the host's end has the
 * given addresses, usable at once, and is up. To be called inside a private network namespace.
 *
 * @throws UsageError `BAD_ADDRESS`; LabError `NETWORK_SETUP`, `IPROUTE2_MISSING`, and what `openTap` throws
 */
export async function createWire(options: WireOptions): Promise<Wire> {
  options.signal?.throwIfAborted();
  if (!/^[\w.-]{1,12}$/.test(options.name)) {
    throw new TypeError(
      `createWire: ${JSON.stringify(options.name)} is no wire name (1 to 12 letters, digits, . _ -)`,
    );
  }
  const address = parseCidr(options.address, 4);
  const hasIpv6 = existsSync("/proc/sys/net/ipv6");
  const ipv6 = options.ipv6 === undefined || !hasIpv6 ? undefined : parseCidr(options.ipv6, 6);
  const ports: OpenPort[] = [];
  const bridged = (options.ports ?? 1) > 1;
  try {
    for (let i = 0; i < (options.ports ?? 1); i++) {
      ports.push(await openPort(bridged ? `${options.name}-${i}` : options.name, options));
    }
    const mac = options.mac ?? macFor(options.name);
    const linkLocal = hasIpv6 ? linkLocalOf(mac) : undefined;
    const six = [...(linkLocal ? [`${linkLocal}/64`] : []), ...(ipv6 ? [ipv6.text] : [])];
    await ip(
      [...linkCommands(options, mac, ports), ...addressCommands(options, address, ipv6, six)],
      options,
    );
    const mtu = options.mtu ?? 1500;
    options.report?.("wire", { name: options.name, address: address.text, mac, mtu, ports: ports.length });
    const handOver = () => {
      for (const port of ports) port.handOver();
    };
    const [first] = ports;
    const remove = bridged ? [options.name] : [];
    return {
      name: options.name,
      mac,
      mtu,
      address,
      ipv6,
      linkLocal,
      ports,
      tapFd: first?.fd,
      handOver,
      [Symbol.asyncDispose]: () => takeDown(ports, remove),
    };
  } catch (error) {
    await takeDown(ports, bridged ? [options.name] : []);
    throw error;
  }
}

interface OpenPort extends WirePort {
  readonly persistent: boolean;
}

async function openPort(name: string, options: WireOptions): Promise<OpenPort> {
  const vnetHeader = options.vnetHeader ?? true;
  let tap: Tap;
  try {
    tap = await openTap({ name, vnetHeader });
  } catch (error) {
    if (errorCode(error) !== "KOFFI_MISSING") throw error;
    await ip([`tuntap add dev ${name} mode tap${vnetHeader ? " vnet_hdr" : ""}`], options);
    return { name, fd: undefined, persistent: true, handOver: () => undefined };
  }
  return { name, fd: tap.fd, persistent: false, handOver: () => tap.close() };
}

function linkCommands(options: WireOptions, mac: string, ports: readonly OpenPort[]): readonly string[] {
  const { name, mtu } = options;
  const commands: string[] = [];
  if (ports.length > 1) {
    commands.push(`link add name ${name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`);
  }
  for (const port of ports) {
    if (mtu !== undefined) commands.push(`link set dev ${port.name} mtu ${mtu}`);
    if (ports.length > 1) commands.push(`link set dev ${port.name} addrgenmode none master ${name} up`);
  }
  if (mtu !== undefined && ports.length > 1) commands.push(`link set dev ${name} mtu ${mtu}`);
  commands.push(`link set dev ${name} address ${mac} addrgenmode none`);
  return commands;
}

function addressCommands(
  { name, clampCwnd }: WireOptions,
  address: Cidr,
  ipv6: Cidr | undefined,
  ipv6Addresses: readonly string[],
): readonly string[] {
  const commands = [
    `addr add ${address.text} brd + dev ${name}`,
    // Duplicate address detection would keep them from being used for the first seconds of a boot.
    ...ipv6Addresses.map((text) => `addr add ${text} dev ${name} nodad`),
    `link set dev ${name} up`,
  ];
  if (clampCwnd === undefined) return commands;
  const source = `proto kernel scope link src ${address.host}`;
  commands.push(`route replace ${address.network} dev ${name} ${source} cwnd lock ${clampCwnd}`);
  if (ipv6)
    commands.push(`route replace ${ipv6.network} dev ${name} proto kernel metric 256 cwnd lock ${clampCwnd}`);
  // What TCP remembers of earlier connections would take precedence over the routes.
  commands.push("tcp_metrics flush all");
  return commands;
}

/** A locally administered address that is the same in every run, so that captures of two runs compare. */
function macFor(name: string): string {
  const digest = createHash("sha256").update(name).digest("hex");
  return ["02", ...(digest.slice(0, 10).match(/../g) ?? [])].join(":");
}

/** RFC 4291 appendix A: the interface identifier is the hardware address with ff:fe in its middle and bit 1 turned. */
function linkLocalOf(mac: string): string {
  const [first = 0, ...rest] = mac.split(":").map((byte) => Number.parseInt(byte, 16));
  const identifier = [first ^ 2, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)];
  return formatIp(Uint8Array.from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...identifier]));
}

async function takeDown(ports: readonly OpenPort[], bridges: readonly string[]): Promise<void> {
  for (const port of ports) port.handOver();
  const present = await readFile("/proc/net/dev", "utf8");
  const left = [...ports.filter((port) => port.persistent).map((port) => port.name), ...bridges].filter(
    (name) => present.includes(` ${name}:`),
  );
  if (left.length > 0) await ip(left.map((name) => `link delete dev ${name}`));
}
