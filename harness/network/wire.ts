import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { formatIp, type Report } from "#core";
import { openTap, type Tap } from "#harness/tap-stream";
import { parseCidr, type Cidr } from "./cidr.ts";
import { clampCongestion } from "./congestion-clamp.ts";
import { ip } from "./ip-command.ts";
import { setKernel } from "./kernel-setting.ts";

export interface WireOptions {
  /** Interface name of the host's end: 1 to 12 bytes, so that numbered ports fit. */
  readonly name: string;
  /** The host's IPv4 address on this wire with its prefix length: `10.77.0.1/24`. */
  readonly address: string;
  /** Further IPv4 addresses of the host on this wire, each with its prefix length. */
  readonly also?: readonly string[];
  /** The host's IPv6 address with its prefix length: `fd77::1/64`. A link-local one exists without it. */
  readonly ipv6?: string;
  /** Largest payload of a frame in bytes. Default 1500. */
  readonly mtu?: number;
  /** The host's hardware address on this wire. Default: one that the kernel makes up. */
  readonly mac?: string;
  /**
   * How many segments the host's TCP may have under way to a machine on this wire (a /24 at most). For receivers that lose
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
  /** The open TAP device, to be given to QEMU (`-netdev tap,fd=`). */
  readonly fd: number;
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
  readonly tapFd: number;
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
  const { name } = options;
  if (options.mac !== undefined && !/^[\da-f]{2}(?::[\da-f]{2}){5}$/i.test(options.mac)) {
    throw new TypeError(`createWire: ${JSON.stringify(options.mac)} is no hardware address`);
  }
  const address = parseCidr(options.address, 4);
  const wantedIpv6 = options.ipv6 === undefined ? undefined : parseCidr(options.ipv6, 6);
  const hasIpv6 = existsSync("/proc/sys/net/ipv6");
  const mac = options.mac ?? macFor(name);
  const ends: Ends = {
    address,
    ipv6: hasIpv6 ? wantedIpv6 : undefined,
    linkLocal: hasIpv6 ? linkLocalOf(mac) : undefined,
    mac,
  };
  const taps: Tap[] = [];
  const count = options.ports ?? 1;
  const bridge = count > 1 ? name : undefined;
  const vnetHeader = options.vnetHeader ?? true;
  try {
    const first = await openTap({ name: bridge ? `${bridge}-0` : name, vnetHeader });
    taps.push(first);
    while (taps.length < count) taps.push(await openTap({ name: `${bridge}-${taps.length}`, vnetHeader }));
    await ip([...linkCommands(options, ends, taps), ...addressCommands(options, ends)], options);
    // Linux would answer on any wire for the addresses of all, and a wrong NIC would pass for the right one.
    for (const setting of ["arp_ignore", "rp_filter"]) await setKernel(`ipv4/conf/${name}/${setting}`, "1");
    if (options.clampCwnd !== undefined) await clampCongestion({ name, address }, options.clampCwnd, options);
    const mtu = options.mtu ?? 1500;
    options.report?.("wire", { name, address: address.text, mac, mtu, ports: count });
    return {
      ...ends,
      name,
      mtu,
      ports: taps.map((tap) => ({ name: tap.name, fd: tap.fd, handOver: () => tap.close() })),
      tapFd: first.fd,
      handOver: () => closeAll(taps),
      [Symbol.asyncDispose]: () => takeDown(taps, bridge),
    };
  } catch (error) {
    await takeDown(taps, bridge);
    throw error;
  }
}

type Ends = Pick<Wire, "address" | "ipv6" | "linkLocal" | "mac">;

function linkCommands(
  { name, mtu }: WireOptions,
  { mac, linkLocal }: Ends,
  taps: readonly Tap[],
): readonly string[] {
  // The link-local address is given like the others: the kernel would wait for a carrier before it makes one up.
  const noAddress = linkLocal === undefined ? "" : " addrgenmode none";
  const size = mtu === undefined ? "" : ` mtu ${mtu}`;
  const own = `link set dev ${name} address ${mac}${size}${noAddress}`;
  if (taps.length === 1) return [own];
  return [
    `link add name ${name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    ...taps.map((tap) => `link set dev ${tap.name} master ${name}${size}${noAddress} up`),
    own,
  ];
}

function addressCommands({ name, also = [] }: WireOptions, ends: Ends): readonly string[] {
  const { address, ipv6, linkLocal } = ends;
  const ipv6Addresses = [...(linkLocal ? [`${linkLocal}/64`] : []), ...(ipv6 ? [ipv6.text] : [])];
  const commands = [
    `addr add ${address.text} brd + dev ${name}`,
    ...also.map((text) => `addr add ${parseCidr(text, 4).text} brd + dev ${name}`),
    // Duplicate address detection would keep them from being used for the first seconds of a boot.
    ...ipv6Addresses.map((text) => `addr add ${text} dev ${name} nodad`),
    `link set dev ${name} up`,
  ];
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

function closeAll(taps: readonly Tap[]): void {
  for (const tap of taps) tap.close();
}

async function takeDown(taps: readonly Tap[], bridge: string | undefined): Promise<void> {
  closeAll(taps);
  if (bridge === undefined) return;
  const devices = await readFile("/proc/net/dev", "utf8");
  if (new RegExp(`^\\s*${bridge.replaceAll(".", "\\.")}:`, "m").test(devices))
    await ip([`link delete dev ${bridge}`]);
}
