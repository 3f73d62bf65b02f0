import { once } from "node:events";
import { createServer } from "node:net";
import { LabError, errorCode } from "#core";

/**
 * A TCP port on which nobody listens at the moment. Somebody else may take it before it is used: whoever can, should
 * rather listen on port 0 and ask which one it became.
 *
 * @throws LabError `NO_FREE_PORT`, also where `host` is no address of this machine
 */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  const server = createServer();
  try {
    server.listen({ host, port: 0, exclusive: true });
    await once(server, "listening");
    const address = server.address();
    if (address !== null && typeof address === "object") return address.port;
    throw new TypeError(`freePort: ${host} is not an IP address`);
  } catch (error) {
    if (error instanceof TypeError) throw error;
    throw new LabError(
      "NO_FREE_PORT",
      `no free TCP port on ${host} (${errorCode(error)}): is it an address of this machine?`,
      {
        cause: error,
      },
    );
  } finally {
    server.close();
  }
}
