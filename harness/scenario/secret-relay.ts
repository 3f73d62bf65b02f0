import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";

export interface SecretRelayOptions {
  /** The folder of both sockets. */
  readonly folder: string;
  /** The name that the relay gets there, and that of the daemon's own. */
  readonly name: string;
  readonly daemon: string;
  readonly secret: string;
}

export interface SecretRelay extends AsyncDisposable {
  /** What to give to the tool in place of the secret; of the same length, so that no other byte changes. */
  readonly placeholder: string;
}

/**
 * Stands between a tool and its daemon and puts a secret in place of what the tool was given. `tgtadm` takes secrets on
 * its command line only, where everybody on the machine can read them.
 */
export async function relaySecret(options: SecretRelayOptions): Promise<SecretRelay> {
  const length = Buffer.byteLength(options.secret);
  const placeholder = randomBytes(length).toString("hex").slice(0, length);
  // A socket's path may have 107 bytes only; an open folder gives it a short one.
  const folder = await open(options.folder, "r");
  const place = (name: string) => `/proc/self/fd/${folder.fd}/${name}`;
  const ends = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (tool) => {
    const daemon = connect(place(options.daemon));
    for (const end of [tool, daemon]) {
      ends.add(end);
      end.on("error", () => tool.destroy()).on("close", () => ends.delete(end));
    }
    const replaced = new Replacement(Buffer.from(placeholder), Buffer.from(options.secret));
    tool.on("data", (chunk: Buffer) => daemon.write(replaced.push(chunk)));
    tool.on("end", () => daemon.end(replaced.rest()));
    daemon.pipe(tool);
  });
  server.listen(place(options.name));
  await once(server, "listening");
  return {
    placeholder,
    async [Symbol.asyncDispose]() {
      for (const end of ends) end.destroy();
      await new Promise((resolve) => server.close(resolve));
      await folder.close();
    },
  };
}

/** Replaces a word in a stream, also where two chunks share it. */
class Replacement {
  readonly #word: Buffer;
  readonly #by: Buffer;
  #held: Buffer = Buffer.alloc(0);

  constructor(word: Buffer, by: Buffer) {
    this.#word = word;
    this.#by = by;
  }

  push(chunk: Buffer): Buffer {
    const all = Buffer.concat([this.#held, chunk]);
    for (let at = all.indexOf(this.#word); at >= 0; at = all.indexOf(this.#word, at)) this.#by.copy(all, at);
    let kept = Math.min(all.length, this.#word.length - 1);
    while (kept > 0 && !this.#word.subarray(0, kept).equals(all.subarray(all.length - kept))) kept--;
    this.#held = all.subarray(all.length - kept);
    return all.subarray(0, all.length - kept);
  }

  rest(): Buffer {
    return this.#held;
  }
}
