import type { LibraryHandle } from "koffi";

/** `lseek` and `fallocate` by their numbers in Linux's headers. */
const seekData = 3;
const seekHole = 4;
const keepSize = 1;
const punchHole = 2;

interface Calls {
  seek(fd: number, offset: number, whence: number): Promise<number>;
  allocate(fd: number, mode: number, offset: number, length: number): Promise<number>;
}

let loaded: Promise<Calls | undefined> | undefined;

/**
 * The holes of an open file or block device: where they are, and making some. Node.js offers neither, so this goes to
 * the C library through the optional package koffi, on threads of its own.
 */
export class FileHoles {
  /** Whether `data` can be asked: not so of block devices. */
  readonly known: boolean;
  readonly #fd: number;
  readonly #calls: Calls;
  #running = 0;
  #idle: (() => void) | undefined;

  private constructor(fd: number, calls: Calls, known: boolean) {
    this.#fd = fd;
    this.#calls = calls;
    this.known = known;
  }

  /** Undefined where this machine lacks the calls. */
  static async of(fd: number): Promise<FileHoles | undefined> {
    loaded ??= load();
    const calls = await loaded;
    if (calls === undefined) return undefined;
    // At the end of every file lies a hole, so where the call is known it succeeds.
    return new FileHoles(fd, calls, (await calls.seek(fd, 0, seekHole)) >= 0);
  }

  /** Gives a range back to the file system; it reads as zero afterwards. False where that cannot be done here. */
  async punch(offset: number, length: number): Promise<boolean> {
    return (await this.#run(this.#calls.allocate(this.#fd, punchHole | keepSize, offset, length))) === 0;
  }

  /** The runs of data that touch a range, in order; the last one may begin past its end. */
  async *data(offset: number, end: number): AsyncIterable<{ readonly start: number; readonly end: number }> {
    for (let at = offset; at < end;) {
      const start = await this.#run(this.#calls.seek(this.#fd, at, seekData));
      // ENXIO: nothing but a hole from here on.
      if (start < 0) return;
      const stop = await this.#run(this.#calls.seek(this.#fd, start, seekHole));
      yield { start, end: stop };
      if (stop <= start) return;
      at = stop;
    }
  }

  /** Resolves when no call is under way: only then may the descriptor be closed. */
  async idle(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  async #run(call: Promise<number>): Promise<number> {
    this.#running++;
    try {
      return await call;
    } finally {
      this.#running--;
      if (this.#running === 0) this.#idle?.();
    }
  }
}

async function load(): Promise<Calls | undefined> {
  if (process.platform !== "linux") return undefined;
  const koffi = await import("koffi").then(({ default: koffi }) => koffi).catch(() => undefined);
  if (koffi === undefined) return undefined;
  const library = koffi.load(null);
  const lseek = library.func("int64_t lseek64(int fd, int64_t offset, int whence)");
  const fallocate = library.func("int fallocate64(int fd, int mode, int64_t offset, int64_t length)");
  return {
    seek: (...args) => inThread(lseek, args),
    allocate: (...args) => inThread(fallocate, args),
  };
}

function inThread(call: ReturnType<LibraryHandle["func"]>, args: readonly number[]): Promise<number> {
  return new Promise((resolve, reject) => {
    call.async(...args, (error: Error | null, result: number) => {
      if (error === null) resolve(result);
      else reject(error);
    });
  });
}
