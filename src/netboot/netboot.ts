import { Clock, UsageError, type Report } from "#core";
import type { DhcpConfig } from "./dhcp/config.ts";
import { DhcpServer, type DhcpLease } from "./dhcp/dhcp-server.ts";
import { RouterAdvertiser, type RouterAdvertisementConfig } from "./ra/router-advertiser.ts";
import { toWire, type NetbootInterface } from "./wire.ts";

export interface NetbootOptions {
  readonly interfaces: readonly NetbootInterface[];
  /** DHCP; no server where left out. */
  readonly dhcp?: DhcpConfig;
  /** IPv6 router advertisements; none where left out. */
  readonly ra?: RouterAdvertisementConfig;
  /** The run's clock, by which leases end. */
  readonly clock?: Clock;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** All services that a machine booting from the network needs of it, on one or several interfaces of this host. */
export class Netboot implements AsyncDisposable {
  readonly #resources: AsyncDisposableStack;
  readonly #dhcp: DhcpServer | undefined;

  private constructor(resources: AsyncDisposableStack, dhcp: DhcpServer | undefined) {
    this.#resources = resources;
    this.#dhcp = dhcp;
  }

  /** Resolves when every service answers. @throws LabError for a port, interface or package that is not to be had */
  static async start(options: NetbootOptions): Promise<Netboot> {
    const { signal, report = () => {}, clock = new Clock() } = options;
    signal?.throwIfAborted();
    if (options.interfaces.length === 0)
      throw new UsageError("NO_INTERFACE", "netboot: name at least one interface");
    const wires = options.interfaces.map((given) => toWire(given));
    await using starting = new AsyncDisposableStack();
    const dhcp = options.dhcp && starting.use(await DhcpServer.start(wires, options.dhcp, { clock, report }));
    for (const [index, wire] of wires.entries()) {
      if (options.ra) starting.use(RouterAdvertiser.start(wire, index, options.ra, report));
    }
    signal?.throwIfAborted();
    return new Netboot(starting.move(), dhcp);
  }

  /** The addresses given out so far. */
  leases(): readonly DhcpLease[] {
    return this.#dhcp?.leases() ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
