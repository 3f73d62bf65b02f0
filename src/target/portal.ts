import { LabError } from "#core";

export interface PortalAddress {
  readonly host: string;
  readonly port: number;
}

/** A portal that listens on every address is told by the one that the peer came to. */
export function portalText({ host, port }: PortalAddress, localAddress: string | undefined): string {
  const any = host === "0.0.0.0" || host === "::";
  const name = any ? (localAddress ?? host).replace(/^::ffff:/, "") : host;
  return `${name.includes(":") ? `[${name}]` : name}:${port},1`;
}

export function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const where = `${host}:${port}`;
  if (error.code === "EADDRINUSE")
    return new LabError(
      "PORT_IN_USE",
      `${where} is in use by another program; choose another port or end it`,
      { cause: error },
    );
  if (error.code === "EACCES")
    return new LabError("PORT_FORBIDDEN", `${where} needs privileges; choose a port above 1023`, {
      cause: error,
    });
  return new LabError("CANNOT_LISTEN", `cannot listen on ${where}: ${error.message}`, { cause: error });
}
