import { errorMessage, type Clock, type Report } from "#core";
import { formatIpv4 } from "../ipv4.ts";
import { UdpSocket } from "../udp-socket.ts";
import type { Wire } from "../wire.ts";
import type { DhcpConfig } from "./config.ts";
import { DHCP_PORT, DhcpEngine, PXE_PORT, type Incoming, type Outgoing } from "./dhcp-engine.ts";
import type { Lease } from "./lease-pool.ts";

/** A lease as told to others. */
export interface DhcpLease extends Omit<Lease, "address"> {
  readonly address: string;
}

/** The DHCP server on one or several wires; each wire has its own sockets, so that answers leave where questions came. */
export class DhcpServer implements AsyncDisposable {
  readonly #engine: DhcpEngine;
  readonly #report: Report;
  readonly #sockets: UdpSocket[] = [];

  private constructor(engine: DhcpEngine, report: Report) {
    this.#engine = engine;
    this.#report = report;
  }

  /** @throws LabError where a port cannot be had; UsageError for a configuration that makes no sense */
  static async start(
    wires: readonly Wire[],
    config: DhcpConfig,
    { clock, report }: { readonly clock: Clock; readonly report: Report },
  ): Promise<DhcpServer> {
    const engine = new DhcpEngine(wires, config, () => clock.now(), report);
    const server = new DhcpServer(engine, report);
    try {
      for (const wire of wires) await server.#listen(wire);
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  leases(): readonly DhcpLease[] {
    return this.#engine.leases().map((lease) => ({ ...lease, address: formatIpv4(lease.address) }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#sockets.splice(0).map((socket) => socket[Symbol.asyncDispose]()));
  }

  async #listen(wire: Wire): Promise<void> {
    for (const port of [DHCP_PORT, PXE_PORT] as const) {
      const socket = await UdpSocket.open({
        wire,
        port,
        broadcast: true,
        service: "DHCP server",
        onMessage: (datagram, from) => {
          const reply = this.#handle({ datagram, wire, from, port });
          if (reply) void this.#send(socket, wire, reply);
        },
        onError: (error) => this.#failed(wire, error),
      });
      this.#sockets.push(socket);
    }
  }

  /** A message that the engine cannot take must cost its sender the answer, and nobody else anything. */
  #handle(incoming: Incoming): Outgoing | undefined {
    try {
      return this.#engine.handle(incoming);
    } catch (error) {
      this.#failed(incoming.wire, error, incoming.from.address);
      return undefined;
    }
  }

  async #send(socket: UdpSocket, wire: Wire, { bytes, to }: Outgoing): Promise<void> {
    const error = await socket.send(bytes, to);
    if (error) this.#failed(wire, error, to.address);
  }

  #failed(wire: Wire, error: unknown, to?: string): void {
    this.#report("dhcp-error", {
      interface: wire.name,
      ...(to !== undefined && { ip: to }),
      reason: errorMessage(error),
    });
  }
}
