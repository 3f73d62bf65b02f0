import { serialLess, TmfFunction, TmfResponseCode, tmfResponses } from "ts-iscsi-pdu";
import type { CommandWindow } from "./command-window.ts";
import type { Connection } from "./connection.ts";
import { TransportError } from "./errors.ts";
import type { Pending } from "./pending.ts";
import { TmfRequest } from "./requests.ts";
import { ScsiTask } from "./scsi-task.ts";
import type { TaskTable } from "./task-table.ts";

const allegiantRetryMs = 100;
const allegiantRetries = 20;

/** What a takeover needs of the session. */
export interface TakeoverHost {
  readonly window: CommandWindow;
  readonly tasks: TaskTable;
  submit(task: Pending, connection: Connection): void;
  /** The target knows nothing of this task: it may be sent as a new one, or has failed. */
  giveBack(task: ScsiTask, error: Error): void;
  /** The target does not reassign: the session has to be made anew. */
  lose(error: Error): void;
}

/**
 * Gives the commands of a lost connection to the one that takes its place (RFC 7143 §7.2). Commands that the target has
 * acknowledged are reassigned to it. Those that never arrived leave a gap in the CmdSN, which is filled by sending them
 * again under the same number: one at a time, since whether a later one arrived shows only when the gap before it is
 * closed.
 */
export class Takeover {
  readonly reassigned: number = 0;
  readonly #host: TakeoverHost;
  readonly #connection: Connection;
  /** Not known to have arrived, in the order of their CmdSN. */
  readonly #unacknowledged: ScsiTask[] = [];

  constructor(host: TakeoverHost, lost: Connection, connection: Connection) {
    this.#host = host;
    this.#connection = connection;
    const tasks = host.tasks.of(lost).filter((task) => task instanceof ScsiTask);
    for (const task of tasks) {
      task.moveTo(connection);
      if (!task.immediate && !serialLess(task.cmdSn, host.window.expCmdSn)) this.#unacknowledged.push(task);
      else {
        this.reassigned++;
        this.#reassign(task);
      }
    }
    this.#unacknowledged.sort((a, b) => (a.cmdSn - b.cmdSn) | 0);
  }

  /** Commands that wait for the gap before them to be closed. */
  get waiting(): number {
    return this.#unacknowledged.length;
  }

  /** Goes on where the window allows; false when nothing is left to do. */
  advance(): boolean {
    const { window, tasks } = this.#host;
    for (let task = this.#unacknowledged[0]; task !== undefined; task = this.#unacknowledged[0]) {
      if (this.#connection.closed) return false;
      const known = serialLess(task.cmdSn, window.expCmdSn);
      if (!known && task.cmdSn !== window.expCmdSn) return true;
      this.#unacknowledged.shift();
      if (tasks.get(task.itt) !== task) continue;
      if (known || task.discarded) this.#reassign(task);
      else task.retry(this.#connection);
    }
    return false;
  }

  #reassign(task: ScsiTask, attempt = 1): void {
    if (task.discarded) return this.#drop(task);
    const request = new TmfRequest({
      function: TmfFunction.TaskReassign,
      lun: task.command.lun,
      referencedTaskTag: task.itt,
      expDataSn: task.expDataSn,
    });
    request.result.promise.then(
      ({ response }) => this.#judge(task, response, attempt),
      (error: unknown) => {
        if (!this.#connection.closed)
          this.#host.lose(error instanceof Error ? error : new Error(String(error)));
      },
    );
    this.#host.submit(request, this.#connection);
  }

  #judge(task: ScsiTask, response: number, attempt: number): void {
    if (response === TmfResponseCode.FunctionComplete || this.#connection.closed) return;
    if (this.#host.tasks.get(task.itt) !== task) return;
    const message = `${task.title}: the target does not reassign it: ${tmfResponses.text(response)}`;
    const error = new TransportError("REASSIGN_REFUSED", message);
    if (response === TmfResponseCode.TaskDoesNotExist) this.#host.giveBack(task, error);
    else if (response === TmfResponseCode.TaskStillAllegiant && attempt < allegiantRetries)
      setTimeout(() => this.#again(task, attempt + 1), allegiantRetryMs);
    else this.#host.lose(error);
  }

  #again(task: ScsiTask, attempt: number): void {
    if (this.#host.tasks.get(task.itt) === task && task.connection === this.#connection)
      this.#reassign(task, attempt);
  }

  /** Nobody waits for it any more; the target is told, which also closes the gap that it may have left (§11.6.1). */
  #drop(task: ScsiTask): void {
    this.#host.tasks.remove(task);
    const request = new TmfRequest({
      function: TmfFunction.AbortTask,
      lun: task.command.lun,
      referencedTaskTag: task.itt,
      refCmdSn: task.cmdSn,
    });
    request.result.promise.catch(() => undefined);
    this.#host.submit(request, this.#connection);
  }
}
