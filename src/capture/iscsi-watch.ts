import { Opcode } from "ts-iscsi-pdu";
import { type BlockAccess, blockAccess, operationTitle, senseOf } from "./iscsi-names.ts";
import { LoginWatch } from "./login-watch.ts";
import { PduStream } from "./pdu-stream.ts";
import { type Tell, Throttle } from "./wire-report.ts";

/** Reads and writes are summed up over this time. */
const IO_PERIOD = 0.5;
const TASKS_LIMIT = 1024;

interface Task {
  readonly operation: number;
  readonly lba: number | null;
}

/** What was read and written since the last word of it. */
interface IoSum {
  reads: number;
  writes: number;
  readBlocks: number;
  writtenBlocks: number;
  first: number;
  last: BlockAccess & { readonly time: number };
}

/**
 * One iSCSI connection: its login, the first command of each kind, reads and writes summed up, and all that is out of
 * the ordinary. Both directions must be fed in the order of the capture.
 */
export class IscsiWatch {
  readonly initiator: PduStream;
  readonly target: PduStream;
  readonly #tell: Tell;
  readonly #clock: () => number;
  readonly #login: LoginWatch;
  readonly #seen = new Set<number>();
  readonly #tasks = new Map<number, Task>();
  readonly #troubles = new Throttle(1, 256);
  #io: IoSum | undefined;
  #zeroRead = false;
  #asked = false;

  constructor(tell: Tell, clock: () => number) {
    this.#tell = tell;
    this.#clock = clock;
    this.#login = new LoginWatch(tell);
    this.initiator = new PduStream("initiator", (header, data) => this.#fromInitiator(header, data));
    this.target = new PduStream("target", (header, data) => this.#fromTarget(header, data));
  }

  /** Tells the sum of reads and writes where it is old enough, or where `force` says so. */
  flush(force = false): void {
    const sum = this.#io;
    if (sum === undefined || (!force && this.#clock() - sum.first < IO_PERIOD)) return;
    this.#io = undefined;
    const { first, last, ...counts } = sum;
    const seconds = Number((last.time - first).toFixed(6));
    this.#tell(
      "iscsi-io",
      { isid: this.#login.isid, ...counts, seconds, last: last.kind, lba: last.lba, blocks: last.blocks },
      last.time,
    );
  }

  #fromInitiator(header: Buffer, data: Buffer): void {
    const opcode = header.readUInt8(0) & 0x3f;
    if (opcode === Opcode.ScsiCommand) this.#command(header);
    else if (opcode === Opcode.LoginRequest) this.#login.request(header, data);
    else if (opcode === Opcode.LogoutRequest) {
      this.flush(true);
      this.#session("iscsi-logout", { reason: header.readUInt8(1) & 0x7f });
    } else if (opcode === Opcode.TmfRequest) {
      this.#session("iscsi-task-management", { function: header.readUInt8(1) & 0x7f });
    }
  }

  #fromTarget(header: Buffer, data: Buffer): void {
    const opcode = header.readUInt8(0) & 0x3f;
    if (opcode === Opcode.ScsiResponse) this.#response(header, data);
    else if (opcode === Opcode.DataIn) this.#dataIn(header);
    else if (opcode === Opcode.LoginResponse) {
      if (!this.#login.response(header, data)) return;
      const { headerDigest, dataDigest } = this.#login;
      this.initiator.useDigests(headerDigest, dataDigest);
      this.target.useDigests(headerDigest, dataDigest);
    } else if (opcode === Opcode.LogoutResponse) {
      this.#session("iscsi-logout-response", { response: header.readUInt8(2) });
    } else if (opcode === Opcode.Reject) {
      const rejected = data.length > 0 ? data.readUInt8(0) & 0x3f : null;
      this.#session("iscsi-reject", { reason: header.readUInt8(2), opcode: rejected });
    } else if (opcode === Opcode.Async) {
      this.#session("iscsi-async", { event: header.readUInt8(36), vendorCode: header.readUInt8(37) });
    } else if (opcode === Opcode.TmfResponse) {
      this.#session("iscsi-task-management-response", { response: header.readUInt8(2) });
    } else if (opcode === Opcode.NopIn && header.readUInt32BE(20) !== 0xffff_ffff && !this.#asked) {
      this.#asked = true;
      this.#session("iscsi-nop-in", { targetTransferTag: header.readUInt32BE(20) });
    }
  }

  #command(header: Buffer): void {
    const cdb = header.subarray(32, 48);
    const operation = cdb.readUInt8(0);
    const access = blockAccess(cdb);
    this.#remember(header.readUInt32BE(16), { operation, lba: access?.lba ?? null });
    const first = !this.#seen.has(operation);
    this.#seen.add(operation);
    const zeroRead = access?.kind === "read" && access.lba === 0 && !this.#zeroRead;
    if (zeroRead) this.#zeroRead = true;
    if (first || zeroRead) {
      this.#session("iscsi-command", {
        operation,
        name: operationTitle(operation),
        lun: header.toString("hex", 8, 16),
        ...(access && { access: access.kind, lba: access.lba, blocks: access.blocks }),
      });
    }
    if (access !== undefined) this.#count(access);
  }

  #count(access: BlockAccess): void {
    const time = this.#clock();
    this.flush();
    this.#io ??= {
      reads: 0,
      writes: 0,
      readBlocks: 0,
      writtenBlocks: 0,
      first: time,
      last: { ...access, time },
    };
    this.#io.last = { ...access, time };
    if (access.kind === "read") {
      this.#io.reads++;
      this.#io.readBlocks += access.blocks;
    } else {
      this.#io.writes++;
      this.#io.writtenBlocks += access.blocks;
    }
  }

  #remember(tag: number, task: Task): void {
    this.#tasks.delete(tag);
    this.#tasks.set(tag, task);
    for (const oldest of this.#tasks.keys()) {
      if (this.#tasks.size <= TASKS_LIMIT) return;
      this.#tasks.delete(oldest);
    }
  }

  #response(header: Buffer, data: Buffer): void {
    const task = this.#end(header.readUInt32BE(16));
    const [response, status] = [header.readUInt8(2), header.readUInt8(3)];
    if (response === 0 && status === 0) return;
    this.#trouble(response, status, task, data);
  }

  #dataIn(header: Buffer): void {
    // The S bit: this Data-In carries the status (RFC 7143, section 11.7.3).
    if ((header.readUInt8(1) & 0x01) === 0) return;
    const task = this.#end(header.readUInt32BE(16));
    const status = header.readUInt8(3);
    if (status !== 0) this.#trouble(0, status, task, Buffer.alloc(0));
  }

  #end(tag: number): Task | undefined {
    const task = this.#tasks.get(tag);
    this.#tasks.delete(tag);
    return task;
  }

  #trouble(response: number, status: number, task: Task | undefined, data: Buffer): void {
    const sense = status === 2 ? senseOf(data) : undefined;
    const key = `${response} ${status} ${sense?.key} ${sense?.asc} ${sense?.ascq} ${task?.operation}`;
    const held = this.#troubles.pass(key, this.#clock());
    if (held === undefined) return;
    this.#session(sense === undefined ? "iscsi-status" : "iscsi-check-condition", {
      response,
      status,
      ...sense,
      operation: task?.operation ?? null,
      name: task === undefined ? null : operationTitle(task.operation),
      lba: task?.lba ?? null,
      ...(held > 0 && { repeated: held }),
    });
  }

  #session(kind: string, data: Readonly<Record<string, unknown>>): void {
    this.#tell(kind, { isid: this.#login.isid, ...data });
  }
}
