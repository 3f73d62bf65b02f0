import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { TimeoutError, UsageError, withTimeout, type Report } from "#core";
import { FaultEngine, type FaultPlan } from "#faults";
import {
  AsyncEvent,
  LoginStatus,
  type LoginRequestView,
  type OperationalValues,
  type TextKey,
} from "ts-iscsi-pdu";
import { LoginMachine, type LoginIdentity, type Refusal } from "./login/login-machine.ts";
import { TargetNode } from "./node.ts";
import {
  defaultKeys,
  defaultLimits,
  type PortalOptions,
  type TargetLimits,
  type TargetNodeOptions,
  type TargetOptions,
} from "./options.ts";
import { listenError, portalText, type PortalAddress } from "./portal.ts";
import { Connection } from "./session/connection.ts";
import { SessionTable, type TargetSessionInfo } from "./sessions.ts";

/**
 * An iSCSI target server: portals, targets, sessions. `listen` resolves when all portals accept connections; disposal
 * closes every connection and portal, and leaves the block devices open, which are the caller's.
 */
export class Target implements AsyncDisposable {
  readonly #options: TargetOptions;
  readonly #limits: TargetLimits;
  readonly #keys: Partial<OperationalValues>;
  readonly #report: Report;
  readonly #nodes = new Map<string, TargetNode>();
  readonly #discovery: TargetNode;
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Connection>();
  readonly #sessions: SessionTable;
  #addresses: PortalAddress[] = [];
  #connectionCount = 0;
  #pings: NodeJS.Timeout | undefined;
  #faults: FaultEngine | undefined;

  private constructor(options: TargetOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#keys = { ...defaultKeys, ...options.keys };
    this.#report = options.report ?? (() => undefined);
    this.#discovery = new TargetNode({ iqn: "", luns: [] });
    this.#sessions = new SessionTable({
      limits: this.#limits,
      report: this.#report,
      ownMaxSegment: this.#keys.MaxRecvDataSegmentLength ?? 8192,
      sendTargets: (connection, what) => this.#sendTargets(connection, what),
      faulty: () => this.#faults !== undefined,
    });
    this.setFaults(options.faults);
    for (const node of [options, ...(options.others ?? [])]) this.#add(node);
  }

  /** Opens all portals. Throws LabError PORT_IN_USE and the like, and UsageError for impossible options. */
  static async listen(options: TargetOptions): Promise<Target> {
    options.signal?.throwIfAborted();
    const target = new Target(options);
    try {
      for (const portal of [options, ...(options.portals ?? [])]) await target.#open(portal);
    } catch (error) {
      await target[Symbol.asyncDispose]();
      throw error;
    }
    target.#watch();
    options.signal?.addEventListener("abort", () => void target[Symbol.asyncDispose](), { once: true });
    return target;
  }

  /** The first portal. */
  get address(): PortalAddress {
    const [first] = this.#addresses;
    if (first === undefined) throw new UsageError("TARGET_CLOSED", "the target is closed");
    return first;
  }

  get addresses(): readonly PortalAddress[] {
    return this.#addresses;
  }

  get sessions(): readonly TargetSessionInfo[] {
    return this.#sessions.infos;
  }

  /** Puts other faults in force, at once and for sessions that are open too; none without a plan. */
  setFaults(plan: FaultPlan | undefined): void {
    this.#faults = plan === undefined ? undefined : new FaultEngine(plan);
    if (plan !== undefined)
      this.#report("faults", { seed: plan.seed, rules: plan.rules.map((rule) => rule.id) });
  }

  /** Cuts the connections of the sessions that `filter` picks, all unless told: FIN, or RST with `reset`. */
  dropConnections(
    filter: (session: TargetSessionInfo) => boolean = () => true,
    options: { readonly reset?: boolean } = {},
  ): void {
    const chosen = new Set(this.sessions.filter(filter).map((info) => info.session));
    for (const connection of this.#connections)
      if (connection.session !== undefined && chosen.has(connection.session.number)) {
        if (options.reset === true) connection.destroy("dropped");
        else connection.end("dropped");
      }
  }

  /**
   * Lets nobody in any more and asks every initiator to log out (RFC 7143, section 11.9.1, event 1). Resolves when all
   * have gone, after so many seconds, or when the signal aborts; disposal then ends what is left.
   */
  async requestLogout({
    seconds,
    signal,
  }: {
    readonly seconds: number;
    readonly signal?: AbortSignal;
  }): Promise<void> {
    void this.#closeServers();
    for (const session of this.#sessions.all)
      session.tell({ event: AsyncEvent.RequestLogout, parameter3: Math.ceil(seconds) });
    await withTimeout(
      "the logout of all initiators",
      seconds * 1000,
      () => this.#sessions.empty(),
      signal,
    ).catch((error: unknown) => {
      if (!(error instanceof TimeoutError) && signal?.aborted !== true) throw error;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#pings);
    const closing = this.#closeServers();
    const sessions = this.#sessions.all;
    for (const session of sessions) {
      const { DefaultTime2Wait: parameter2, DefaultTime2Retain: parameter3 } = session.params;
      session.tell({ event: AsyncEvent.DropAllConnections, parameter2, parameter3 });
    }
    const running = sessions.flatMap((session) => [...session.tasks.values()]);
    for (const session of sessions) session.close("stopped");
    for (const connection of this.#connections) connection.end("stopped");
    await Promise.all(running.map((task) => task.ended));
    this.#addresses = [];
    await closing;
  }

  /** Resolves when the last connection is closed; nobody gets in from now on. */
  async #closeServers(): Promise<void> {
    await Promise.all(
      this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    );
  }

  #add(options: TargetNodeOptions): void {
    const name = options.iqn.toLowerCase();
    if (
      !/^(?:iqn\.\d{4}-\d{2}\.|eui\.[0-9a-f]{16}$|naa\.[0-9a-f]{16,32}$)/.test(name) ||
      Buffer.byteLength(name) > 223
    )
      throw new UsageError(
        "BAD_NAME",
        `${JSON.stringify(options.iqn)} is no iSCSI name; one looks like iqn.2026-01.org.example:disk`,
      );
    if (this.#nodes.has(name)) throw new UsageError("BAD_NAME", `two targets are called ${options.iqn}`);
    const node = new TargetNode(options);
    node.onAbort(async (unit, ports) => {
      const chosen = this.#sessions.all.filter((session) => ports.includes(session.nexus.port));
      await Promise.all(chosen.map((session) => session.abortTasks((task) => task.unit === unit)));
    });
    this.#nodes.set(name, node);
  }

  async #open({ host = "127.0.0.1", port = 0 }: PortalOptions): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
      server.listen({ host, port, backlog: 511 }, resolve);
    });
    this.#servers.push(server);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a listening TCP server has an address
    const address = server.address() as AddressInfo;
    this.#addresses.push({ host: address.address, port: address.port });
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= this.#limits.maxConnections) {
      socket.on("error", () => undefined);
      socket.resetAndDestroy();
      return;
    }
    this.#connectionCount += 1;
    const connection = new Connection(this.#connectionCount, socket, {
      limits: this.#limits,
      report: this.#report,
      login: (_, first) => this.#login(first),
      enter: (connection, request, results, user) => {
        const { identity } = connection;
        if (identity === undefined) return { status: LoginStatus.TargetError, why: "no identity" };
        return this.#sessions.enter({
          connection,
          identity,
          node: this.#node(identity),
          request,
          results,
          user,
        });
      },
      joining: (identity, request) => this.#sessions.joining(identity, this.#node(identity), request),
      left: (connection) => this.#connections.delete(connection),
      faults: () => this.#faults,
    });
    this.#connections.add(connection);
    this.#report("connection", {
      connection: connection.number,
      from: connection.remote,
      to: `${connection.socket.localAddress ?? "?"}:${connection.socket.localPort ?? 0}`,
    });
  }

  #login(first: LoginRequestView): LoginMachine {
    return new LoginMachine({
      keys: this.#keys,
      portalGroup: 1,
      leading: first.tsih === 0,
      admit: (identity, request) => this.#admit(identity, request),
      auth: (identity) =>
        identity.sessionType === "Discovery" ? this.#options.discoveryAuth : this.#node(identity).auth,
    });
  }

  #admit(identity: LoginIdentity, request: LoginRequestView): Refusal | undefined {
    const node = this.#node(identity);
    if (identity.sessionType === "Normal") {
      if (node === this.#discovery)
        return {
          status: LoginStatus.NotFound,
          why: `no target is called ${identity.targetName.slice(0, 223)}`,
        };
      if (!node.admits(identity.initiatorName))
        return {
          status: LoginStatus.AuthorizationFailure,
          why: `${identity.initiatorName} may not use ${node.name}`,
        };
      if (node.redirect !== undefined)
        return {
          status: node.redirect.permanent
            ? LoginStatus.TargetMovedPermanently
            : LoginStatus.TargetMovedTemporarily,
          why: `moved to ${node.redirect.address}`,
          targetAddress: node.redirect.address,
        };
    }
    return this.#sessions.refusal(identity, node, request);
  }

  #node(identity: LoginIdentity): TargetNode {
    return this.#nodes.get(identity.targetName.toLowerCase()) ?? this.#discovery;
  }

  /** One TargetName and its addresses after the other (RFC 7143, appendix C). */
  #sendTargets(connection: Connection, what: string): readonly TextKey[] {
    const session = connection.session;
    if (session === undefined) return [];
    const own = session.type === "Normal" ? session.deviceServer.name : undefined;
    if (what === "All" && session.type === "Normal") return [["SendTargets", "Reject"]];
    const wanted = what === "All" ? undefined : what === "" ? own : what.toLowerCase();
    return [...this.#nodes.values()].flatMap((node): readonly TextKey[] => {
      if ((wanted !== undefined && node.name !== wanted) || !node.admits(session.initiatorName)) return [];
      const addresses = this.#addresses.map(
        (address) => ["TargetAddress", portalText(address, connection.socket.localAddress)] as const,
      );
      return [["TargetName", node.name], ...addresses];
    });
  }

  /** Pings quiet sessions and gives up on those that do not answer. */
  #watch(): void {
    const { pingInterval, pingTimeout } = this.#limits;
    if (pingInterval === 0) return;
    this.#pings = setInterval(
      () => {
        for (const connection of this.#connections) {
          if (connection.session === undefined || connection.silence < pingInterval) continue;
          if (connection.pingTag === undefined) connection.sendPing(connection.number);
          else if (connection.silence > pingInterval + pingTimeout)
            giveUp(connection, pingInterval + pingTimeout);
        }
      },
      Math.max(10, pingInterval / 2),
    );
  }
}

/** Ends a silent connection, unless this process was what was late: then its answer is read first. */
function giveUp(connection: Connection, silence: number): void {
  setImmediate(() => {
    if (connection.silence > silence) connection.destroy("timeout");
  });
}
