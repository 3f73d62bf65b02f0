import { Socket, type SocketConstructorOpts } from "node:net";

/** One for all connections: whoever is given bytes has used them when the call returns. */
let shared: Buffer | undefined;
const length = 256 * 1024;

/**
 * The connection of an accepted socket, as a socket that reads into the shared buffer and hands each read to `take`.
 * Node.js gives every read of an accepted socket 64 KiB of new memory, and collecting that takes a writer of large
 * blocks more time than all the rest; its `onread` is for sockets made by their constructor, which takes a handle too.
 * Where that is not so, the accepted socket itself is read.
 */
export function shareReads(accepted: Socket, take: (chunk: Uint8Array) => void): Socket {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- not in the documented types
  const holder = accepted as unknown as { _handle: SocketConstructorOpts["handle"] | null };
  const handle = holder._handle;
  if (handle === null || handle === undefined) return accepted.on("data", take);
  shared ??= Buffer.allocUnsafeSlow(length);
  const buffer = shared;
  const socket = new Socket({
    handle,
    onread: {
      buffer,
      callback: (count) => {
        take(buffer.subarray(0, count));
        return true;
      },
    },
  });
  holder._handle = null;
  // The server counts the socket that it accepted.
  return socket.once("close", () => accepted.destroy());
}
