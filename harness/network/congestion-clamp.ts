import { once } from "node:events";
import { connect, createServer } from "node:net";
import { LabError, UsageError, errorMessage, formatIp, parseIp } from "#core";
import type { Cidr } from "./cidr.ts";
import { ip } from "./ip-command.ts";
import { setKernel } from "./kernel-setting.ts";

const SHORTEST_PREFIX = 24;

/**
 * Bounds how many segments the host's TCP sends to any address on a wire without acknowledgement, from the first
 * connection on.
 *
 * A route with `cwnd lock N` is not enough for that: Linux takes the lock into account only by way of its TCP metrics
 * cache, and makes an address's entry there when a connection to it ends. So one connection with each address is made
 * and ended beforehand, on this host alone, by a route that for this moment makes the whole network local. The wire's own
 * route says the same and so keeps the entries as they are when they are renewed.
 *
 * @throws UsageError `BAD_ADDRESS` where the network is larger than a /24; LabError `NETWORK_SETUP`
 */
export async function clampCongestion(
  wire: { readonly name: string; readonly address: Cidr },
  segments: number,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const { host, network, text, prefixLength } = wire.address;
  if (prefixLength < SHORTEST_PREFIX) {
    throw new UsageError("BAD_ADDRESS", `${text}: a wire with a clamp can be a /${SHORTEST_PREFIX} at most`);
  }
  const lock = `src ${host} cwnd lock ${segments}`;
  const local = `local ${network} dev lo table local scope host`;
  await ip(
    [
      `route replace ${network} dev ${wire.name} proto kernel scope link ${lock}`,
      `route add ${local} ${lock}`,
    ],
    options,
  );
  // A tail loss probe is a segment beyond the window.
  await setKernel("ipv4/tcp_early_retrans", "0");
  try {
    await connectOnceFrom(peersOf(wire.address), host);
  } catch (error) {
    throw new LabError("NETWORK_SETUP", `the clamp on ${wire.name} cannot be set: ${errorMessage(error)}`, {
      cause: error,
    });
  } finally {
    await ip([`route delete ${local}`]);
  }
}

/** All addresses of the network that a machine can have beside the host's own. */
function peersOf({ host, network, prefixLength }: Cidr): readonly string[] {
  const first = parseIp(network.replace(/\/.*/, "")) ?? new Uint8Array(4);
  const size = 2 ** (32 - prefixLength);
  const all = Array.from({ length: size }, (_, i) => formatIp(first.with(3, (first[3] ?? 0) + i)));
  return (prefixLength > 30 ? all : all.slice(1, -1)).filter((address) => address !== host);
}

/** A connection from each peer to `host`, which ends it and so keeps what it learned of the peer. */
async function connectOnceFrom(peers: readonly string[], host: string): Promise<void> {
  const server = createServer((socket) => socket.end());
  try {
    server.listen({ host, port: 0 });
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await Promise.all(
      peers.map(async (localAddress) => {
        const socket = connect({ host, port, localAddress }).resume();
        await once(socket, "close");
      }),
    );
  } finally {
    server.close();
    await once(server, "close");
  }
}
