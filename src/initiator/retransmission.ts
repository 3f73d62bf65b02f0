import { withTimeout } from "#core";
import { Opcode, RESERVED_TAG, SnackType, serialLess } from "ts-iscsi-pdu";
import type { Connection } from "./connection.ts";
import { TransportError } from "./errors.ts";
import { FullFeature } from "./full-feature.ts";
import { PingRequest } from "./requests.ts";
import { ScsiTask } from "./scsi-task.ts";
import type { SessionCore } from "./session-core.ts";
import { formatPortal } from "./url.ts";

const periodMs = 200;
/** How long the answer to a ping is waited for; each one that does not come doubles it, */
const patienceMs = 1000;
/** and after this long there is no use in another: whatever is sent is lost. */
const longestPatienceMs = 4000;

/**
 * Recovery within a connection (RFC 7143 §7.8), as far as nothing that arrives sets it going: a PDU that was dropped for
 * its header digest at either end, and behind which nothing followed. A few times a second it looks for what does not
 * move, has a ping tell what the target knows by then, and asks again for data, statuses and R2Ts or sends a command
 * again that never arrived.
 */
export class Retransmission implements Disposable {
  readonly #core: SessionCore;
  readonly #timer: NodeJS.Timeout;
  /** Connections whose ping has not come back. */
  readonly #asked = new WeakSet<Connection>();
  readonly #patience = new WeakMap<Connection, number>();
  #expCmdSn: number;
  #completed = 0;

  constructor(core: SessionCore) {
    this.#core = core;
    this.#expCmdSn = core.window.expCmdSn;
    this.#timer = setInterval(() => this.#look(), periodMs).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const core = this.#core;
    if (core.context.values.ErrorRecoveryLevel === 0 || core.state !== "full-feature") return;
    const { expCmdSn } = core.window;
    const stuck = expCmdSn === this.#expCmdSn && expCmdSn !== core.window.cmdSn;
    const idle = core.completed === this.#completed;
    this.#expCmdSn = expCmdSn;
    this.#completed = core.completed;
    for (const connection of core.connections) {
      const { receiver } = connection;
      if (!(receiver instanceof FullFeature) || this.#asked.has(connection)) continue;
      const suspect = receiver.takeSuspicion();
      const tasks = core.tasks
        .of(connection)
        .filter((task) => task instanceof ScsiTask)
        .filter((task) => !task.discarded);
      const gap = stuck && tasks.some((task) => task.cmdSn === expCmdSn);
      const lacks = tasks.some((task) => task.lacks);
      const silent = idle && tasks.length > 0 && receiver.everSuspect;
      if (suspect || receiver.missesStatus || gap || lacks || silent)
        void this.#ask(connection, receiver, tasks, suspect);
    }
  }

  /** What the target sent before it answers the ping has arrived by then, or never will by itself. */
  async #ask(
    connection: Connection,
    receiver: FullFeature,
    sent: readonly ScsiTask[],
    suspect: boolean,
  ): Promise<void> {
    const core = this.#core;
    const progress = sent.map((task) => ({ task, expDataSn: task.expDataSn, lacks: task.lacks }));
    const missesStatus = receiver.missesStatus;
    this.#asked.add(connection);
    let answered: boolean;
    let lost: ScsiTask | undefined;
    do {
      if (lost !== undefined) this.#retry(lost, connection);
      answered = await this.#ping(connection);
      // What comes after all may be the first of many that were lost together.
      lost = answered ? this.#gap(sent, connection) : undefined;
    } while (lost !== undefined);
    this.#asked.delete(connection);
    if (connection.closed) return;
    if (!answered) {
      if (suspect) receiver.suspect();
      return;
    }
    // What the answer itself made this side ask for is on its way.
    if (missesStatus) receiver.askAgain();
    for (const { task, expDataSn, lacks } of progress) {
      if (!this.#waits(task, connection) || task.expDataSn !== expDataSn) continue;
      if (!task.immediate && !serialLess(task.cmdSn, core.window.expCmdSn)) continue;
      if (lacks) task.askAgain();
      if (task.writes) this.#askForR2t(task, connection);
    }
  }

  /** The command that the target expects next, where it was `sent` and has not arrived. */
  #gap(sent: readonly ScsiTask[], connection: Connection): ScsiTask | undefined {
    if (connection.closed) return undefined;
    const { expCmdSn } = this.#core.window;
    return sent.find((task) => !task.immediate && task.cmdSn === expCmdSn && this.#waits(task, connection));
  }

  #waits(task: ScsiTask, connection: Connection): boolean {
    return this.#core.tasks.get(task.itt) === task && task.connection === connection && !task.discarded;
  }

  /** False where the ping or its answer was lost, like what it asks for. */
  async #ping(connection: Connection): Promise<boolean> {
    const ping = new PingRequest(new Uint8Array(0));
    const patience = this.#patience.get(connection) ?? patienceMs;
    try {
      this.#core.submit(ping, connection);
      await withTimeout("the answer to a ping", patience, () => ping.result.promise);
      this.#patience.delete(connection);
      return true;
    } catch {
      this.#core.tasks.giveUp(ping);
      this.#patience.set(connection, patience * 2);
      if (patience >= longestPatienceMs)
        connection.fail(
          new TransportError(
            "NO_ANSWER",
            `${formatPortal(connection.portal)}: several pings in a row are lost`,
          ),
        );
      return false;
    }
  }

  /** The target has not seen the command, though it has seen the ping behind it (§7.2.1). */
  #retry(task: ScsiTask, connection: Connection): void {
    this.#core.context.report?.("retry", { itt: task.itt, cmdSn: task.cmdSn });
    task.retry(connection);
  }

  /** Whether an R2T was lost only the target knows: it sends those again that it has sent (§11.16). */
  #askForR2t(task: ScsiTask, connection: Connection): void {
    this.#core.context.report?.("snack", { itt: task.itt, begRun: task.expDataSn, runLength: 0 });
    connection.send({
      opcode: Opcode.Snack,
      type: SnackType.DataR2t,
      itt: task.itt,
      ttt: RESERVED_TAG,
      expStatSn: connection.expStatSn,
      begRun: task.expDataSn,
      runLength: 0,
    });
  }
}
