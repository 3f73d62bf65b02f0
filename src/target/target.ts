import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { UsageError, type Report } from "#core";
import { FaultEngine, type FaultPlan } from "#faults";
import {
  LoginStatus,
  formatIsid,
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
import { Session } from "./session/session.ts";

/** What is known of a session from outside. */
export interface TargetSessionInfo {
  readonly session: number;
  readonly initiator: string;
  readonly isid: string;
  readonly tsih: number;
  readonly type: "Normal" | "Discovery";
  readonly target: string;
  readonly connections: readonly { readonly cid: number; readonly remote: string }[];
  readonly tasks: number;
  readonly keys: OperationalValues;
}

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
  readonly #sessions = new Map<number, Session>();
  #addresses: PortalAddress[] = [];
  #connectionCount = 0;
  #sessionCount = 0;
  #nextTsih = 1;
  #pings: NodeJS.Timeout | undefined;
  #faults: FaultEngine | undefined;

  private constructor(options: TargetOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#keys = { ...defaultKeys, ...options.keys };
    this.#report = options.report ?? (() => undefined);
    this.#discovery = new TargetNode({ iqn: "", luns: [] });
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
    return [...this.#sessions.values()].map((session) => ({
      session: session.number,
      initiator: session.initiatorName,
      isid: session.isid,
      tsih: session.tsih,
      type: session.type,
      target: session.deviceServer.name,
      connections: [...session.connections.values()].map(({ cid, remote }) => ({ cid, remote })),
      tasks: session.tasks.size,
      keys: session.params,
    }));
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

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#pings);
    const closing = this.#servers.map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    for (const session of this.#sessions.values()) session.close("stopped");
    for (const connection of this.#connections) connection.end("stopped");
    const running = [...this.#sessions.values()].flatMap((session) => [...session.tasks.values()]);
    await Promise.all(running.map((task) => task.ended));
    this.#addresses = [];
    await Promise.all(closing);
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
      const chosen = [...this.#sessions.values()].filter((session) => ports.includes(session.nexus.port));
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
      enter: (connection, request, results, user) => this.#enter(connection, request, results, user),
      left: (connection) => this.#connections.delete(connection),
      faults: () => this.#faults,
    });
    this.#connections.add(connection);
    this.#report("connection", {
      connection: connection.number,
      from: connection.remote,
      to: `${socket.localAddress ?? "?"}:${socket.localPort ?? 0}`,
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
    if (request.tsih === 0) {
      const replaces = this.#find(identity, node, formatIsid(request.isid)) !== undefined;
      if (!replaces && this.#sessions.size >= this.#limits.maxSessions)
        return { status: LoginStatus.OutOfResources, why: `${this.#limits.maxSessions} sessions are open` };
      return undefined;
    }
    const session = this.#find(identity, node, formatIsid(request.isid));
    if (session?.tsih !== request.tsih)
      return { status: LoginStatus.SessionDoesNotExist, why: `no session has the TSIH ${request.tsih}` };
    if (!session.connections.has(request.cid) && session.connections.size >= session.params.MaxConnections)
      return {
        status: LoginStatus.TooManyConnections,
        why: `${session.params.MaxConnections} connections at most`,
      };
    return undefined;
  }

  #enter(
    connection: Connection,
    request: LoginRequestView,
    results: OperationalValues,
    user?: string,
  ): Session | Refusal {
    const identity = connection.identity;
    if (identity === undefined) return { status: LoginStatus.TargetError, why: "no identity" };
    const node = this.#node(identity);
    const isid = formatIsid(request.isid);
    const old = this.#find(identity, node, isid);
    if (request.tsih !== 0) {
      if (old === undefined) return { status: LoginStatus.SessionDoesNotExist, why: "the session has ended" };
      // The same CID again is a reinstatement of the connection (section 6.3.4).
      old.connections.get(request.cid)?.end("reinstated");
      old.connections.set(request.cid, connection);
      this.#tellLogin(connection, old, results, user);
      return old;
    }
    // The same initiator port again: the old session ends first (section 6.3.5).
    old?.close("reinstated");
    this.#sessionCount += 1;
    const session = new Session({
      number: this.#sessionCount,
      type: identity.sessionType,
      initiatorName: identity.initiatorName,
      isid,
      tsih: this.#takeTsih(),
      params: { ...results },
      ownMaxSegment: this.#keys.MaxRecvDataSegmentLength ?? 8192,
      firstCmdSn: request.cmdSn,
      deviceServer: node,
      limits: this.#limits,
      report: this.#report,
      siblings: () => [...this.#sessions.values()].filter((other) => other.deviceServer === node),
      faulty: () => this.#faults !== undefined,
      sendTargets: (asking, what) => this.#sendTargets(asking, what),
      onClosed: (closed) => {
        this.#sessions.delete(closed.number);
      },
    });
    session.connections.set(request.cid, connection);
    this.#sessions.set(session.number, session);
    this.#report("session-open", {
      session: session.number,
      initiator: session.initiatorName,
      isid,
      tsih: session.tsih,
      target: node.name,
      type: session.type,
    });
    this.#tellLogin(connection, session, results, user);
    return session;
  }

  #tellLogin(connection: Connection, session: Session, results: OperationalValues, user?: string): void {
    this.#report("login-done", {
      connection: connection.number,
      session: session.number,
      initiator: session.initiatorName,
      target: session.deviceServer.name,
      type: session.type,
      isid: session.isid,
      tsih: session.tsih,
      cid: connection.cid,
      ...(user !== undefined && { user }),
      keys: { ...results },
    });
  }

  #find(identity: LoginIdentity, node: TargetNode, isid: string): Session | undefined {
    return [...this.#sessions.values()].find(
      (session) =>
        session.deviceServer === node &&
        session.initiatorName === identity.initiatorName &&
        session.isid === isid,
    );
  }

  #node(identity: LoginIdentity): TargetNode {
    return this.#nodes.get(identity.targetName.toLowerCase()) ?? this.#discovery;
  }

  #takeTsih(): number {
    const used = new Set([...this.#sessions.values()].map((session) => session.tsih));
    while (used.has(this.#nextTsih) || this.#nextTsih === 0) this.#nextTsih = (this.#nextTsih + 1) & 0xffff;
    const tsih = this.#nextTsih;
    this.#nextTsih = (tsih + 1) & 0xffff;
    return tsih;
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
