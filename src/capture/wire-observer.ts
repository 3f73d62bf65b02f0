import { formatIp } from "#core";
import { readDhcp } from "./dhcp.ts";
import { EtherType, Frame, IpProtocol, TcpFlag, macText } from "./frame.ts";
import { MacActivity } from "./mac-activity.ts";
import { PcapReader } from "./pcap-reader.ts";
import { TcpFlow } from "./tcp-flow.ts";
import { Throttle, type WireReport } from "./wire-report.ts";

export interface WireObserverOptions {
  /** TCP ports that are iSCSI without a look; others are recognised by a login at their beginning. */
  readonly iscsiPorts?: readonly number[];
}

const FLOWS_LIMIT = 1024;
/** The sums of all connections are looked after this often, in seconds of the capture. */
const TICK = 0.1;
/** More events a second than any boot has: the rest is counted only. */
const EVENTS_PER_SECOND = 2000;
const DHCP_PORTS: ReadonlySet<number> = new Set([67, 68]);
const ICMPV6: Readonly<Record<number, string>> = {
  133: "router-solicitation",
  134: "router-advertisement",
  135: "neighbor-solicitation",
  136: "neighbor-advertisement",
};

/**
 * Watches a wire and tells what matters to a boot: first frames, ARP, DHCP, the opening and end of connections, iSCSI
 * sessions, and who sends how much of what. Fed with the bytes of a capture that may still be growing (`push`) or
 * with packets (`packet`); sums and repetitions keep the reports few. Never throws, whatever the bytes are.
 */
export class WireObserver {
  readonly #report: WireReport;
  readonly #reader = new PcapReader(({ bytes, time, linkType }) => this.packet(bytes, time, linkType));
  readonly #ports: ReadonlySet<number>;
  readonly #frame = new Frame();
  readonly #activity: MacActivity;
  readonly #flows = new Map<string, TcpFlow>();
  readonly #firsts = new Throttle(Infinity);
  readonly #asks = new Throttle(1);
  readonly #leases = new Map<string, string>();
  #flowCount = 0;
  #time = 0;
  #ticked = 0;
  #second = 0;
  #events = 0;
  #suppressed = 0;

  constructor(report: WireReport, options: WireObserverOptions = {}) {
    this.#report = report;
    this.#ports = new Set(options.iscsiPorts ?? [3260]);
    this.#activity = new MacActivity((kind, data, time) => this.#tell(kind, data, time));
  }

  /** Why the capture could not be read further, if so. */
  get problem(): string | undefined {
    return this.#reader.problem;
  }

  /** The next bytes of a pcap or pcapng file. */
  push(bytes: Uint8Array): void {
    this.#reader.push(bytes);
  }

  /** One packet; `bytes` are not kept. */
  packet(bytes: Buffer, time: number, linkType?: number): void {
    this.#time = time;
    const frame = this.#frame;
    if (frame.parse(bytes, linkType)) this.#look(frame, bytes.length);
    if (Math.abs(time - this.#ticked) >= TICK) this.flush(false);
  }

  /** Tells the sums that are due, or all of them: at the end, and when nothing has come for a while. */
  flush(force = true): void {
    this.#ticked = this.#time;
    for (const flow of this.#flows.values()) flow.flush(force);
    this.#activity.flush(this.#time, force);
    if (force) this.#unburden();
  }

  #look(frame: Frame, length: number): void {
    const flow = frame.protocol === IpProtocol.Tcp && frame.sourcePort > 0 ? this.#flow(frame) : undefined;
    const label = flow === undefined ? protocolName(frame) : `tcp#${flow.id}`;
    const key = frame.sourceMacKey;
    if (key !== "") {
      this.#activity.count(key, label, length, this.#time);
      this.#firstFrame(frame, key, flow === undefined ? label : "tcp");
    }
    if (frame.etherType === EtherType.Arp) this.#arp(frame);
    else if (frame.ipVersion !== 0) this.#ip(frame, flow);
  }

  #ip(frame: Frame, flow: TcpFlow | undefined): void {
    const addresses = frame.addressKey;
    if (frame.sourceMacKey !== "") this.#sourceIp(frame, addresses.slice(0, addresses.length / 2));
    if (flow !== undefined) flow.packet(frame);
    else if (frame.protocol === IpProtocol.Udp && DHCP_PORTS.has(frame.destinationPort)) this.#dhcp(frame);
    else if (frame.protocol === IpProtocol.Icmpv6) this.#icmpv6(frame);
    else if (frame.protocol === IpProtocol.Icmp) this.#icmp(frame);
  }

  #firstFrame(frame: Frame, key: string, protocol: string): void {
    if (this.#firsts.pass(`${key} ${protocol} ${frame.vlan}`, this.#time) === undefined) return;
    this.#tell("frame-first", {
      mac: frame.sourceMac,
      protocol,
      etherType: frame.etherType,
      vlan: frame.vlan ?? null,
    });
  }

  /** The first use of a source address by a MAC, and whether it is the one that DHCP gave. */
  #sourceIp(frame: Frame, address: string): void {
    if (this.#firsts.pass(`${frame.sourceMacKey} from ${address}`, this.#time) === undefined) return;
    const [mac, ip] = [frame.sourceMac, formatIp(Buffer.from(address, "latin1"))];
    if (ip === "0.0.0.0" || ip === "::") return;
    const leased = this.#leases.get(mac) ?? null;
    const matches = leased === null || ip.includes(":") ? null : ip === leased;
    this.#tell("source-ip", { mac, ip, leased, matches, vlan: frame.vlan ?? null });
  }

  #arp(frame: Frame): void {
    const arp = frame.payload;
    if (arp.length < 28 || arp.readUInt16BE(2) !== EtherType.Ipv4 || arp.readUInt16BE(4) !== 0x0604) return;
    const operation = arp.readUInt16BE(6);
    if (operation !== 1 && operation !== 2) return;
    const [senderIp, targetIp] = [formatIp(arp.subarray(14, 18)), formatIp(arp.subarray(24, 28))];
    const mac = macText(arp, 8);
    if (senderIp !== "0.0.0.0" && mac === frame.sourceMac)
      this.#sourceIp(frame, arp.toString("latin1", 14, 18));
    this.#repeatable(
      operation === 1 ? "arp-request" : "arp-reply",
      `${mac} ${senderIp} ${targetIp} ${operation}`,
      {
        mac,
        ip: senderIp,
        target: targetIp,
        ...(operation === 2 && { targetMac: macText(arp, 18) }),
        vlan: frame.vlan ?? null,
      },
    );
  }

  #icmpv6(frame: Frame): void {
    const { payload } = frame;
    const kind = payload.length >= 8 ? ICMPV6[payload.readUInt8(0)] : undefined;
    if (kind === undefined) return;
    const about =
      kind.startsWith("neighbor") && payload.length >= 24 ? formatIp(payload.subarray(8, 24)) : null;
    const data = { mac: frame.sourceMac, ip: frame.sourceIp, ...(about !== null && { target: about }) };
    this.#repeatable(kind, `${data.mac} ${data.ip} ${about}`, data);
  }

  #icmp(frame: Frame): void {
    if (frame.payload.length < 8 || frame.payload.readUInt8(0) !== 3) return;
    const data = { from: frame.sourceIp, to: frame.destinationIp, code: frame.payload.readUInt8(1) };
    this.#repeatable("icmp-unreachable", `${data.from} ${data.to} ${data.code}`, data);
  }

  #dhcp(frame: Frame): void {
    const facts = readDhcp(frame.payload);
    if (facts === undefined) return;
    const { mac, ip, message } = facts;
    if (message === "ack" && ip !== null && this.#leases.size < FLOWS_LIMIT) this.#leases.set(mac, ip);
    const told = Object.entries(facts).filter(([, value]) => value !== null);
    this.#repeatable("dhcp", `${message} ${mac} ${ip} ${facts.server}`, {
      ...Object.fromEntries(told),
      from: frame.sourceMac,
      vlan: frame.vlan ?? null,
    });
  }

  #flow(frame: Frame): TcpFlow {
    const key = flowKey(frame);
    const known = this.#flows.get(key);
    const reopened = known?.ended === true && frame.tcpFlags === TcpFlag.Syn;
    if (known !== undefined && !reopened) return known;
    known?.flush(true);
    for (const [oldest, flow] of this.#flows) {
      if (this.#flows.size < FLOWS_LIMIT) break;
      flow.flush(true);
      this.#flows.delete(oldest);
    }
    const flow = new TcpFlow(
      ++this.#flowCount,
      this.#ports,
      (kind, data, time) => this.#tell(kind, data, time),
      () => this.#time,
    );
    this.#flows.set(key, flow);
    return flow;
  }

  #repeatable(kind: string, key: string, data: Readonly<Record<string, unknown>>): void {
    const held = this.#asks.pass(`${kind} ${key}`, this.#time);
    if (held !== undefined) this.#tell(kind, held > 0 ? { ...data, repeated: held } : data);
  }

  #tell(kind: string, data: Readonly<Record<string, unknown>>, time = this.#time): void {
    const second = Math.floor(this.#time);
    if (second !== this.#second) {
      this.#unburden();
      this.#second = second;
      this.#events = 0;
    }
    if (++this.#events > EVENTS_PER_SECOND) this.#suppressed++;
    else this.#report(kind, data, time);
  }

  #unburden(): void {
    if (this.#suppressed > 0) this.#report("wire-suppressed", { events: this.#suppressed }, this.#time);
    this.#suppressed = 0;
  }
}

/** Both directions of a connection have the same key. */
function flowKey(frame: Frame): string {
  const { addressKey: both, sourcePort, destinationPort } = frame;
  const half = both.length / 2;
  const [a, b] = [both.slice(0, half), both.slice(half)];
  const forward = sourcePort < destinationPort || (sourcePort === destinationPort && a < b);
  return forward ? `${sourcePort} ${destinationPort} ${both}` : `${destinationPort} ${sourcePort} ${b}${a}`;
}

function protocolName(frame: Frame): string {
  if (frame.etherType === EtherType.Arp) return "arp";
  if (frame.ipVersion === 0) return `0x${frame.etherType.toString(16).padStart(4, "0")}`;
  if (frame.protocol === IpProtocol.Udp) return `udp:${Math.min(frame.sourcePort, frame.destinationPort)}`;
  if (frame.protocol === IpProtocol.Icmpv6) return "icmp6";
  if (frame.protocol === IpProtocol.Icmp) return "icmp";
  return frame.protocol === IpProtocol.Tcp ? "tcp" : `ip${frame.ipVersion}:${frame.protocol}`;
}
