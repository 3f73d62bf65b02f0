import { Clock, UsageError, type Report } from "#core";
import type { DhcpConfig } from "./dhcp/config.ts";
import { DhcpServer, type DhcpLease } from "./dhcp/dhcp-server.ts";
import { requireNativeSockets } from "./native-sockets.ts";
import { BootFiles, type BootFilesOptions } from "./files/boot-files.ts";
import { HttpServer, type HttpConfig } from "./http/http-server.ts";
import { TftpServer, type TftpConfig } from "./tftp/tftp-server.ts";
import { RouterAdvertiser, type RouterAdvertisementConfig } from "./ra/router-advertiser.ts";
import { toWire, type NetbootInterface } from "./wire.ts";

export interface NetbootOptions {
  readonly interfaces: readonly NetbootInterface[];
  /** DHCP; no server where left out. */
  readonly dhcp?: DhcpConfig;
  /** What TFTP and HTTP serve. */
  readonly files?: BootFilesOptions;
  readonly tftp?: TftpConfig;
  readonly http?: HttpConfig;
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
  /** What TFTP and HTTP serve; entries may be added and taken away at any time. */
  readonly files: BootFiles;
  /** The HTTP server's base on each interface, in their order, e.g. `http://10.0.0.1/`. */
  readonly httpUrls: readonly string[];

  private constructor(
    resources: AsyncDisposableStack,
    services: {
      readonly dhcp: DhcpServer | undefined;
      readonly files: BootFiles;
      readonly httpUrls: readonly string[];
    },
  ) {
    this.#resources = resources;
    this.#dhcp = services.dhcp;
    this.files = services.files;
    this.httpUrls = services.httpUrls;
  }

  /** Resolves when every service answers. @throws LabError for a port, interface or package that is not to be had */
  static async start(options: NetbootOptions): Promise<Netboot> {
    const { signal, report = () => {}, clock = new Clock() } = options;
    signal?.throwIfAborted();
    if (options.interfaces.length === 0)
      throw new UsageError("NO_INTERFACE", "netboot: name at least one interface");
    const wires = options.interfaces.map((given) => toWire(given));
    if (wires.length > 1) await requireNativeSockets("to tell several interfaces apart, netboot");
    const files = await BootFiles.open(options.files);
    await using starting = new AsyncDisposableStack();
    const httpUrls: string[] = [];
    for (const [index, wire] of wires.entries()) {
      if (options.ra) starting.use(await RouterAdvertiser.start(wire, index, options.ra, report));
      if (options.tftp) starting.use(await TftpServer.start(wire, files, options.tftp, report));
      if (options.http) {
        const { port } = starting.use(await HttpServer.start(wire, files, options.http, report));
        httpUrls.push(`http://${wire.address}${port === 80 ? "" : `:${port}`}/`);
      }
    }
    // Last, since it is what brings clients to the others.
    const dhcp = options.dhcp && starting.use(await DhcpServer.start(wires, options.dhcp, { clock, report }));
    signal?.throwIfAborted();
    return new Netboot(starting.move(), { dhcp, files, httpUrls });
  }

  /** The addresses given out so far. */
  leases(): readonly DhcpLease[] {
    return this.#dhcp?.leases() ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
