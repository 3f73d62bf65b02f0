import type { Report } from "#core";

/** What the NBD server answers behind the fence. */
const fencedError = "ESHUTDOWN";
/** Commands of a guest that are told one by one; the rest is only counted. */
const toldEach = 16;

/** A flush is not among them: QEMU sends one of its own when it lets go of a disk. */
const uses: ReadonlySet<string> = new Set(["read", "write", "trim", "write-zeroes"]);

/**
 * Makes few observations of the many commands that reach the firmware's disk: `boot-sector` and `past-boot-sector` for
 * the first reads of a machine that runs, `disk-error` for what the target failed, `stray-command` for what comes after
 * the fence, `disk-io` with the sums at the end.
 */
export class FirmwareDiskLog {
  readonly #report: Report;
  #running = false;
  #ended = false;
  #sums = { reads: 0, writes: 0, bytesRead: 0, bytesWritten: 0 };
  #first: number | undefined;
  #past = false;
  #strays = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  started(): void {
    this.#running = true;
  }

  /** The NBD server's report. */
  readonly see: Report = (kind, data) => {
    if (kind !== "command") {
      if (kind === "fenced") this.#report("fenced", {});
      else if (kind === "command-failed" && data["error"] !== fencedError) this.#failed(data);
      return;
    }
    const command = String(data["command"]);
    if (!this.#running || !uses.has(command)) return;
    const [offset, length] = [Number(data["offset"]), Number(data["length"])];
    if (data["fenced"] === true) this.#stray(command, offset, length);
    else this.#count(command, offset, length);
  };

  /** Nothing more is expected; tells the sums. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#report("disk-io", { ...this.#sums });
  }

  #failed({ command, offset, length, error, message }: Readonly<Record<string, unknown>>): void {
    this.#report("disk-error", { command, offset, length, error, message });
  }

  #count(command: string, offset: number, length: number): void {
    if (command === "read") {
      this.#sums.reads++;
      this.#sums.bytesRead += length;
      this.#milestone(offset, length);
    } else {
      this.#sums.writes++;
      this.#sums.bytesWritten += length;
    }
  }

  #milestone(offset: number, length: number): void {
    if (this.#first === undefined) {
      this.#first = offset;
      this.#report("boot-sector", { offset, length });
    } else if (!this.#past && offset > 0) {
      this.#past = true;
      this.#report("past-boot-sector", { offset, length });
    }
  }

  #stray(command: string, offset: number, length: number): void {
    this.#strays++;
    if (this.#strays <= toldEach)
      this.#report("stray-command", { command, offset, length, count: this.#strays });
  }
}
