import { getSystemErrorName } from "node:util";
import { LabError } from "#core";

/**
 * The few socket calls that Node.js does not offer: a UDP socket bound to one interface, and raw ICMPv6. They go
 * straight to the C library through the optional package koffi. Linux only.
 */
export interface NativeSockets {
  socket(domain: number, type: number, protocol: number): number;
  setOption(fd: number, level: number, name: number, value: Uint8Array): void;
  bind(fd: number, address: Uint8Array): void;
  send(fd: number, data: Uint8Array, to: Uint8Array): void;
  /** Fills `into` and `from`; undefined when nothing waits. The descriptor must not block. */
  receive(fd: number, into: Uint8Array, from: Uint8Array): number | undefined;
  interfaceIndex(name: string): number;
  close(fd: number): void;
}

/** A system call that failed; `code` is the errno's name, e.g. `EADDRINUSE`. */
class SystemCallError extends Error {
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = getSystemErrorName(-errno);
    super(`${call}: ${code}`);
    this.name = "SystemCallError";
    this.code = code;
  }
}

let loaded: Promise<NativeSockets | undefined> | undefined;

/** The native calls, or undefined where koffi does not load or the system is not Linux. */
export function nativeSockets(): Promise<NativeSockets | undefined> {
  loaded ??= load();
  return loaded;
}

/** Like `nativeSockets`, but a LabError KOFFI_MISSING that says what is not possible without them. */
export async function requireNativeSockets(purpose: string): Promise<NativeSockets> {
  const native = await nativeSockets();
  if (!native) {
    throw new LabError(
      "KOFFI_MISSING",
      `${purpose} needs the optional package koffi on Linux, which does not load here: run 'npm ci' without --omit=optional`,
    );
  }
  return native;
}

async function load(): Promise<NativeSockets | undefined> {
  if (process.platform !== "linux") return undefined;
  const koffi = await import("koffi").then(({ default: koffi }) => koffi).catch(() => undefined);
  if (!koffi) return undefined;
  const library = koffi.load(null);
  const socket = library.func("int socket(int, int, int)");
  const setsockopt = library.func("int setsockopt(int, int, int, const void *, uint32_t)");
  const bind = library.func("int bind(int, const void *, uint32_t)");
  const sendto = library.func("intptr_t sendto(int, const void *, size_t, int, const void *, uint32_t)");
  const recvfrom = library.func(
    "intptr_t recvfrom(int, _Out_ void *, size_t, int, _Out_ void *, _Inout_ uint32_t *)",
  );
  const ifNameToIndex = library.func("uint32_t if_nametoindex(const char *)");
  const close = library.func("int close(int)");

  const check = (name: string, result: number): number => {
    if (result < 0) throw new SystemCallError(name, koffi.errno());
    return result;
  };
  const msgDontWait = 0x40;
  return {
    socket: (domain, type, protocol) => check("socket", socket(domain, type, protocol)),
    setOption: (fd, level, name, value) => {
      check("setsockopt", setsockopt(fd, level, name, value, value.length));
    },
    bind: (fd, address) => {
      check("bind", bind(fd, address, address.length));
    },
    send: (fd, data, to) => {
      check("sendto", sendto(fd, data, data.length, msgDontWait, to, to.length));
    },
    receive: (fd, into, from) => {
      const received = recvfrom(fd, into, into.length, msgDontWait, from, [from.length]);
      if (received >= 0) return received;
      const error = new SystemCallError("recvfrom", koffi.errno());
      if (error.code === "EAGAIN" || error.code === "EINTR") return undefined;
      throw error;
    },
    interfaceIndex: (name) => {
      const index = ifNameToIndex(name);
      if (index === 0) throw new SystemCallError("if_nametoindex", koffi.errno());
      return index;
    },
    close: (fd) => {
      close(fd);
    },
  };
}
