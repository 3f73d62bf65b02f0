import { errorMessage, type Report } from "#core";
import type { Wire } from "../wire.ts";
import { Icmpv6Socket } from "./icmpv6-socket.ts";
import { encodeRouterAdvertisement } from "./router-advertisement.ts";

export interface RouterAdvertisementConfig {
  /** A /64 for each interface, in their order; made from fd73:616e:6c61::/48 where left out. */
  readonly prefixes?: readonly string[];
  /** Say that this host is a default router. Off by default, since it forwards nothing. */
  readonly defaultRouter?: boolean;
  /** Seconds between unsolicited advertisements, default 10. */
  readonly intervalSeconds?: number;
  readonly mtu?: number;
  readonly dnsServers?: readonly string[];
}

const ALL_NODES = "ff02::1";
/** RFC 4861 §10: no two multicast answers within this time. */
const MIN_DELAY_BETWEEN_RAS = 3000;
/** Milliseconds between looks at the socket: far below any client's patience, and too rare to be felt. */
const POLL_INTERVAL = 20;
/** Until the interface has its link-local address (duplicate detection takes a second or two). */
const RETRY_INTERVAL = 200;
const MAX_MESSAGES_PER_POLL = 32;

/**
 * The IPv6 router of one wire. It routes nothing; it exists because network-boot firmware (iPXE among them) waits many
 * seconds for a router to answer before it goes on with the IPv4 address that it has long had.
 */
export class RouterAdvertiser implements Disposable {
  readonly #socket: Icmpv6Socket;
  readonly #wire: Wire;
  readonly #config: RouterAdvertisementConfig;
  readonly #prefix: string;
  readonly #report: Report;
  readonly #poll: NodeJS.Timeout;
  #periodic: NodeJS.Timeout | undefined;
  #lastMulticast = -Infinity;
  #lastError: string | undefined;

  private constructor(
    socket: Icmpv6Socket,
    wire: Wire,
    config: RouterAdvertisementConfig,
    prefix: string,
    report: Report,
  ) {
    this.#socket = socket;
    this.#wire = wire;
    this.#config = config;
    this.#prefix = prefix;
    this.#report = report;
    this.#poll = setInterval(() => this.#receive(), POLL_INTERVAL).unref();
    this.#advertise();
  }

  /** @throws LabError, see `Icmpv6Socket.open` */
  static async start(
    wire: Wire,
    index: number,
    config: RouterAdvertisementConfig,
    report: Report,
  ): Promise<RouterAdvertiser> {
    const prefix = config.prefixes?.[index] ?? `fd73:616e:6c61:${(index + 1).toString(16)}::`;
    encodeRouterAdvertisement(advertisement(wire, prefix, config));
    return new RouterAdvertiser(await Icmpv6Socket.open(wire.name), wire, config, prefix, report);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#poll);
    clearTimeout(this.#periodic);
    // RFC 4861 §6.2.5: a default router takes its leave.
    if (this.#config.defaultRouter) this.#send(ALL_NODES, false, { ...this.#config, defaultRouter: false });
    this.#socket[Symbol.dispose]();
  }

  /** Sends to all nodes, and plans the next time. */
  #advertise(): void {
    const sent = this.#send(ALL_NODES, false);
    const seconds = this.#config.intervalSeconds ?? 10;
    this.#schedule(sent ? seconds * 1000 : RETRY_INTERVAL);
  }

  #schedule(milliseconds: number): void {
    clearTimeout(this.#periodic);
    this.#periodic = setTimeout(() => this.#advertise(), milliseconds).unref();
  }

  #receive(): void {
    for (let i = 0; i < MAX_MESSAGES_PER_POLL; i++) {
      let message: ReturnType<Icmpv6Socket["receive"]>;
      try {
        message = this.#socket.receive();
      } catch (error) {
        this.#failed(error);
        return;
      }
      if (!message) return;
      // RFC 4861 §6.1.1: at least 8 bytes, code 0.
      if (message.bytes.length < 8 || message.bytes[1] !== 0) continue;
      this.#report("rs-received", { interface: this.#wire.name, ip: message.from });
      this.#solicited(message.from);
    }
  }

  /** A host with an address is answered at once and alone; one without by multicast, whose rate is limited. */
  #solicited(from: string): void {
    if (from !== "::") this.#send(from, true);
    else this.#schedule(Math.max(0, this.#lastMulticast + MIN_DELAY_BETWEEN_RAS - performance.now()));
  }

  #send(to: string, solicited: boolean, config = this.#config): boolean {
    try {
      this.#socket.send(encodeRouterAdvertisement(advertisement(this.#wire, this.#prefix, config)), to);
    } catch (error) {
      this.#failed(error);
      return false;
    }
    if (to === ALL_NODES) this.#lastMulticast = performance.now();
    this.#lastError = undefined;
    this.#report("ra-sent", { interface: this.#wire.name, ip: to, solicited, prefix: `${this.#prefix}/64` });
    return true;
  }

  /** An interface may be down, or without an address, for a while; each cause is told once. */
  #failed(error: unknown): void {
    const reason = errorMessage(error);
    if (reason === this.#lastError) return;
    this.#lastError = reason;
    this.#report("ra-error", { interface: this.#wire.name, reason });
  }
}

function advertisement(wire: Wire, prefix: string, config: RouterAdvertisementConfig) {
  return {
    hopLimit: 64,
    routerLifetime: config.defaultRouter ? 1800 : 0,
    prefixes: [{ prefix, prefixLength: 64, validSeconds: 86_400, preferredSeconds: 14_400 }],
    ...(wire.mac !== undefined && wire.mac.length === 17 && { mac: wire.mac }),
    ...(config.mtu !== undefined && { mtu: config.mtu }),
    ...(config.dnsServers && { dnsServers: config.dnsServers }),
  };
}
