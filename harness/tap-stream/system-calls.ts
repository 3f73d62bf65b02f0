import { LabError, errorMessage } from "#core";

/** The few calls of libc that Node.js does not offer; each returns -1 and leaves `errno()` on failure. */
export interface SystemCalls {
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  /** Reads into the start of `into`; on a non-blocking descriptor -1 with EAGAIN where nothing waits. */
  read(fd: number, into: Uint8Array, length: number): number;
  /** `descriptors` is an array of `struct pollfd`: int fd, short events, short revents. */
  poll(descriptors: Uint8Array, count: number, timeoutMs: number): number;
  eventfd(initial: number, flags: number): number;
  socket(domain: number, type: number, protocol: number): number;
  errno(): number;
}

let loaded: Promise<SystemCalls> | undefined;

/**
 * Loads koffi, an optional package with prebuilt native code, once per thread.
 *
 * @throws LabError `KOFFI_MISSING` where it is not installed or does not load on this machine.
 */
export function systemCalls(): Promise<SystemCalls> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<SystemCalls> {
  try {
    const { default: koffi } = await import("koffi");
    const libc = koffi.load(null);
    return {
      ioctl: libc.func("int ioctl(int fd, unsigned long request, void *argument)"),
      read: libc.func("long read(int fd, void *into, size_t length)"),
      poll: libc.func("int poll(void *descriptors, unsigned long count, int timeout)"),
      eventfd: libc.func("int eventfd(unsigned int initial, int flags)"),
      socket: libc.func("int socket(int domain, int type, int protocol)"),
      errno: () => koffi.errno(),
    };
  } catch (error) {
    throw new LabError(
      "KOFFI_MISSING",
      `the optional package koffi does not load (${errorMessage(error).slice(0, 120)}): run 'npm ci' without --omit=optional`,
      { cause: error },
    );
  }
}
