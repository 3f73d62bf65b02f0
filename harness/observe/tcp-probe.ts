import { connect } from "node:net";
import { once } from "node:events";
import { repeat } from "./repeat.ts";
import type { Timeline } from "./timeline.ts";

/** A port of the guest, and where this process reaches it. */
export interface ProbedPort {
  readonly port: number;
  readonly host: string;
  readonly hostPort: number;
}

const intervalMs = 3000;
const answerMs = 3000;
/** What forwards a port takes connections before anybody answers behind it, and then closes them. */
const openMs = 1000;

/** RDP, [MS-RDPBCGR] 2.2.1.1: a TPKT with an X.224 connection request that offers every security protocol. */
const rdpRequest = Buffer.from("030000130ee000000000000100080003000000", "hex");
const httpRequest = "GET /wsman HTTP/1.1\r\nHost: guest\r\nConnection: close\r\n\r\n";

interface Protocol {
  readonly name: string;
  readonly request: Buffer | string;
  readonly isAnswer: (bytes: Buffer) => boolean;
}

const protocols: Readonly<Record<number, Protocol>> = {
  3389: {
    name: "rdp",
    request: rdpRequest,
    // A TPKT with an X.224 connection confirm.
    isAnswer: (bytes) => bytes[0] === 3 && bytes[5] === 0xd0,
  },
  5985: {
    name: "http",
    request: httpRequest,
    isAnswer: (bytes) => /^HTTP\/1\.[01] \d{3}/.test(bytes.toString("latin1")),
  },
};

/**
 * Tries the guest's ports every few seconds until one answers, in its own protocol where it has one known here, and appends
 * `probe` `tcp` {port, protocol} for it.
 */
export function probePorts(ports: readonly ProbedPort[], timeline: Timeline): AsyncDisposable {
  return repeat(intervalMs, async () => {
    for (const one of ports) {
      const protocol = await ask(one);
      if (protocol === undefined) continue;
      timeline.append("probe", "tcp", { port: one.port, protocol });
      return "enough";
    }
    return undefined;
  });
}

/** The protocol in which a port answers, `tcp` for one that takes a connection and keeps it; undefined for silence. */
async function ask({ port, host, hostPort }: ProbedPort): Promise<string | undefined> {
  const socket = connect({ host, port: hostPort });
  const over = AbortSignal.timeout(answerMs);
  socket.on("error", () => {});
  try {
    await once(socket, "connect", { signal: over });
    const protocol = protocols[port];
    if (protocol === undefined) {
      await once(socket, "close", { signal: AbortSignal.timeout(openMs) });
      return undefined;
    }
    socket.write(protocol.request);
    const [answer] = (await once(socket, "data", { signal: over })) as [Buffer];
    return protocol.isAnswer(answer) ? protocol.name : undefined;
  } catch {
    const staysOpen = protocols[port] === undefined && !socket.connecting && !socket.destroyed;
    return staysOpen ? "tcp" : undefined;
  } finally {
    socket.destroy();
  }
}
