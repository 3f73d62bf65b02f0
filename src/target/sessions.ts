import type { Report } from "#core";
import {
  LoginStatus,
  formatIsid,
  type LoginRequestView,
  type OperationalValues,
  type TextKey,
} from "ts-iscsi-pdu";
import type { LoginIdentity, Refusal } from "./login/login-machine.ts";
import type { TargetNode } from "./node.ts";
import type { TargetLimits } from "./options.ts";
import type { Connection } from "./session/connection.ts";
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

export interface SessionTableOptions {
  readonly limits: TargetLimits;
  readonly report: Report;
  /** What this side declares as MaxRecvDataSegmentLength. */
  readonly ownMaxSegment: number;
  sendTargets(connection: Connection, what: string): readonly TextKey[];
  /** Whether faults are in force. */
  faulty(): boolean;
}

/** A login that has come through. */
export interface Entry {
  readonly connection: Connection;
  readonly identity: LoginIdentity;
  readonly node: TargetNode;
  readonly request: LoginRequestView;
  readonly results: OperationalValues;
  readonly user: string | undefined;
}

/** All sessions of a target server: who may begin or join one, and which one it is. */
export class SessionTable {
  readonly #options: SessionTableOptions;
  readonly #sessions = new Map<number, Session>();
  #count = 0;
  #nextTsih = 1;
  #emptied: (() => void)[] = [];

  constructor(options: SessionTableOptions) {
    this.#options = options;
  }

  get all(): readonly Session[] {
    return [...this.#sessions.values()];
  }

  get infos(): readonly TargetSessionInfo[] {
    return this.all.map((session) => ({
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

  /** Resolves when no session is open. */
  empty(): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#emptied.push(resolve));
  }

  /** Why a login can neither begin a session nor join one; undefined where it can. */
  refusal(identity: LoginIdentity, node: TargetNode, request: LoginRequestView): Refusal | undefined {
    const session = this.#find(identity, node, formatIsid(request.isid));
    if (request.tsih === 0) {
      const { maxSessions } = this.#options.limits;
      if (session === undefined && this.#sessions.size >= maxSessions)
        return { status: LoginStatus.OutOfResources, why: `${maxSessions} sessions are open` };
      return undefined;
    }
    if (session?.tsih !== request.tsih)
      return { status: LoginStatus.SessionDoesNotExist, why: `no session has the TSIH ${request.tsih}` };
    const { MaxConnections } = session.params;
    // Section 6.3.4: a second connection may come only to clean up after the first.
    const most = session.recovery?.reassigns === true ? Math.max(2, MaxConnections) : MaxConnections;
    if (!session.connections.has(request.cid) && session.connections.size >= most)
      return { status: LoginStatus.TooManyConnections, why: `${most} connections at most` };
    return undefined;
  }

  /** The session that a login means to join. */
  joining(identity: LoginIdentity, node: TargetNode, request: LoginRequestView): Session | undefined {
    const session = this.#find(identity, node, formatIsid(request.isid));
    return session?.tsih === request.tsih ? session : undefined;
  }

  /** Finds or makes the session of a login. */
  enter(entry: Entry): Session | Refusal {
    const { connection, identity, node, request } = entry;
    const old = this.#find(identity, node, formatIsid(request.isid));
    if (request.tsih === 0) {
      // The same initiator port again: the old session ends first (section 6.3.5).
      old?.close("reinstated");
      const session = this.#open(entry);
      session.join(connection);
      this.#tell(entry, session);
      return session;
    }
    if (old === undefined) return { status: LoginStatus.SessionDoesNotExist, why: "the session has ended" };
    old.join(connection);
    this.#tell(entry, old);
    return old;
  }

  #open({ identity, node, request, results }: Entry): Session {
    const { limits, report, ownMaxSegment } = this.#options;
    this.#count += 1;
    const session = new Session({
      number: this.#count,
      type: identity.sessionType,
      initiatorName: identity.initiatorName,
      isid: formatIsid(request.isid),
      tsih: this.#takeTsih(),
      params: { ...results },
      ownMaxSegment,
      firstCmdSn: request.cmdSn,
      deviceServer: node,
      limits,
      report,
      siblings: () => this.all.filter((other) => other.deviceServer === node),
      faulty: () => this.#options.faulty(),
      sendTargets: (connection, what) => this.#options.sendTargets(connection, what),
      onClosed: (closed) => {
        this.#sessions.delete(closed.number);
        if (this.#sessions.size > 0) return;
        for (const resolve of this.#emptied) resolve();
        this.#emptied = [];
      },
    });
    this.#sessions.set(session.number, session);
    report("session-open", {
      session: session.number,
      initiator: session.initiatorName,
      isid: session.isid,
      tsih: session.tsih,
      target: node.name,
      type: session.type,
    });
    return session;
  }

  #tell({ connection, results, user }: Entry, session: Session): void {
    this.#options.report("login-done", {
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
    return this.all.find(
      (session) =>
        session.deviceServer === node &&
        session.initiatorName === identity.initiatorName &&
        session.isid === isid,
    );
  }

  #takeTsih(): number {
    const used = new Set(this.all.map((session) => session.tsih));
    while (used.has(this.#nextTsih) || this.#nextTsih === 0) this.#nextTsih = (this.#nextTsih + 1) & 0xffff;
    const tsih = this.#nextTsih;
    this.#nextTsih = (tsih + 1) & 0xffff;
    return tsih;
  }
}
