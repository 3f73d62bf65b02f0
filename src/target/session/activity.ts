import type { Report } from "#core";
import { cdbTitle, scsiStatusName, type Sense } from "#scsi";
import type { ScsiTask } from "./scsi-task.ts";

/** Milliseconds of reads and writes that are told in one event. */
const period = 250;

interface Tally {
  commands: number;
  blocks: number;
  lastLba: number;
}

/**
 * Tells what a session does: every command but READ and WRITE by itself; those two as sums, since a boot makes tens of
 * thousands. The first READ, the first WRITE, and any that fails are told by themselves too.
 */
export class Activity {
  readonly #session: number;
  readonly #report: Report;
  #read: Tally = empty();
  #write: Tally = empty();
  #everRead = false;
  #everWritten = false;
  #readZero = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(session: number, report: Report) {
    this.#session = session;
    this.#report = report;
  }

  command(task: ScsiTask, status: number, sense?: Sense): void {
    const access = mediumAccess(task.cdb);
    if (access === undefined || status !== 0) {
      this.#tell(task, status, sense, access);
      return;
    }
    const { write, lba, blocks } = access;
    const first = write ? !this.#everWritten : !this.#everRead || (lba === 0 && !this.#readZero);
    if (first) this.#tell(task, status, sense, access);
    if (write) this.#everWritten = true;
    else {
      this.#everRead = true;
      this.#readZero ||= lba === 0;
    }
    const tally = write ? this.#write : this.#read;
    tally.commands += 1;
    tally.blocks += blocks;
    tally.lastLba = lba;
    this.#timer ??= setTimeout(() => this.#flush(), period).unref();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#flush();
  }

  #tell(task: ScsiTask, status: number, sense: Sense | undefined, access: Access | undefined): void {
    this.#report("command", {
      session: this.#session,
      lun: task.lun,
      command: cdbTitle(task.cdb),
      ...(access !== undefined && { lba: access.lba, blocks: access.blocks }),
      status: scsiStatusName(status),
      ...(sense !== undefined && { sense: [sense.key, sense.asc, sense.ascq] }),
    });
  }

  #flush(): void {
    this.#timer = undefined;
    const [read, write] = [this.#read, this.#write];
    if (read.commands + write.commands === 0) return;
    this.#read = empty();
    this.#write = empty();
    this.#report("io", {
      session: this.#session,
      reads: read.commands,
      blocksRead: read.blocks,
      ...(read.commands > 0 && { lastReadLba: read.lastLba }),
      writes: write.commands,
      blocksWritten: write.blocks,
      ...(write.commands > 0 && { lastWrittenLba: write.lastLba }),
    });
  }
}

interface Access {
  readonly write: boolean;
  readonly lba: number;
  readonly blocks: number;
}

/** LBA and length of READ and WRITE commands, read by hand: this runs for every one of them. */
function mediumAccess(cdb: Uint8Array): Access | undefined {
  const at = (index: number) => cdb[index] ?? 0;
  const u32 = (index: number) =>
    ((at(index) << 24) | (at(index + 1) << 16) | (at(index + 2) << 8) | at(index + 3)) >>> 0;
  switch (at(0)) {
    case 0x08:
    case 0x0a:
      return {
        write: at(0) === 0x0a,
        lba: ((at(1) & 0x1f) << 16) | (at(2) << 8) | at(3),
        blocks: at(4) || 256,
      };
    case 0x28:
    case 0x2a:
      return { write: at(0) === 0x2a, lba: u32(2), blocks: (at(7) << 8) | at(8) };
    case 0xa8:
    case 0xaa:
      return { write: at(0) === 0xaa, lba: u32(2), blocks: u32(6) };
    case 0x88:
    case 0x8a:
      return { write: at(0) === 0x8a, lba: u32(2) * 2 ** 32 + u32(6), blocks: u32(10) };
    default:
      return undefined;
  }
}

const empty = (): Tally => ({ commands: 0, blocks: 0, lastLba: 0 });
