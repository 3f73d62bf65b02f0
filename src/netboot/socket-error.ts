import { LabError, errorCode, errorMessage } from "#core";
import type { Wire } from "./wire.ts";

/** Turns the failure to open a socket into a LabError that names port, interface and cure. */
export function socketError(
  error: unknown,
  protocol: "UDP" | "TCP",
  { wire, port, service }: { readonly wire: Wire; readonly port: number; readonly service: string },
): LabError {
  const init = { cause: error, details: { interface: wire.name, address: wire.address, port } };
  const place = `${protocol} port ${port} on ${wire.name} (${wire.address})`;
  switch (errorCode(error)) {
    case "EADDRINUSE": {
      const show = protocol === "UDP" ? "ss -ulpn" : "ss -tlpn";
      return new LabError(
        "PORT_IN_USE",
        `${service}: ${place} is taken by another program; find it with "${show} 'sport = :${port}'" and end it`,
        init,
      );
    }
    case "EACCES":
    case "EPERM":
      return new LabError(
        "PORT_FORBIDDEN",
        `${service}: this user may not open ${place}; run as root or in a namespace made by "unshare -rn"`,
        init,
      );
    case "ENODEV":
    case "ENXIO":
      return new LabError(
        "INTERFACE_MISSING",
        `${service}: there is no interface ${wire.name}; "ip link" lists those there are`,
        init,
      );
    case "EADDRNOTAVAIL":
      return new LabError(
        "ADDRESS_MISSING",
        `${service}: ${wire.address} is no address of ${wire.name}; add it with "ip address add ${wire.address}/${wire.prefixLength} dev ${wire.name}"`,
        init,
      );
    default:
      return new LabError("SOCKET_FAILED", `${service}: cannot open ${place}: ${errorMessage(error)}`, init);
  }
}
