import { constants, openSync } from "node:fs";
import { stat } from "node:fs/promises";
import { createConnection } from "node:net";
import type { Duplex } from "node:stream";
import { ReadStream } from "node:tty";
import { execa } from "execa";
import { errorMessage, LabError, UsageError } from "#core";

/**
 * Opens the other end of a guest's serial port: a Unix socket, `host:port`, or a serial device, which is set to raw
 * bytes at `baud`. Throws UsageError for what is none of these, LabError where nobody listens.
 */
export async function openLine(where: string, baud: number): Promise<Duplex> {
  const found = await stat(where).catch(() => undefined);
  if (found?.isCharacterDevice()) return openDevice(where, baud);
  if (found?.isSocket()) return connect(where, () => createConnection(where));
  const [, host = "", port = ""] = /^\[?([^/]*?)\]?:(\d{1,5})$/.exec(where) ?? [];
  if (found === undefined && port !== "")
    return connect(where, () => createConnection({ host: host || "localhost", port: Number(port) }));
  throw found === undefined
    ? new UsageError("NO_SUCH_FILE", `${where}: no such socket or device`)
    : new UsageError(
        "NOT_A_LINE",
        `${where}: neither a socket nor a serial device; a recording is read by kd decode`,
      );
}

async function connect(where: string, open: () => ReturnType<typeof createConnection>): Promise<Duplex> {
  const socket = open();
  try {
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  } catch (error) {
    throw new LabError("NO_LINE", `${where}: ${errorMessage(error)}; is the virtual machine running?`, {
      cause: error,
    });
  }
  return socket.setNoDelay(true);
}

async function openDevice(path: string, baud: number): Promise<Duplex> {
  const settings = ["raw", "-echo", "-crtscts", "clocal", String(baud)];
  try {
    await execa("stty", ["-F", path, ...settings]);
    return new ReadStream(openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK));
  } catch (error) {
    throw new LabError("NO_LINE", `${path}: cannot be used as a serial line: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}
