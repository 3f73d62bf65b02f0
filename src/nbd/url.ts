import { UsageError } from "#core";

/** A unix socket, or a TCP port. */
export type NbdAddress = { readonly path: string } | { readonly host: string; readonly port: number };

export interface NbdUrl {
  readonly address: NbdAddress;
  readonly exportName: string;
}

/** The port that IANA gave to NBD. */
const defaultPort = 10_809;

/** Whether a text means to be an NBD URL, right or wrong. */
export const isNbdUrl = (text: string): boolean => /^nbds?(?:\+unix)?:/i.test(text);

/**
 * Reads `nbd://host[:port]/export` or `nbd+unix:///export?socket=PATH`
 * (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/uri.md).
 * @throws UsageError BAD_URL, NBD_TLS
 */
export function parseNbdUrl(text: string): NbdUrl {
  if (/^nbds/i.test(text))
    throw new UsageError("NBD_TLS", `${text}: NBD over TLS is not supported; use nbd: through a tunnel`);
  const parts = /^nbd(\+unix)?:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(text);
  const [, unix, authority = "", name = "", query = ""] = parts ?? [];
  if (parts === null) throw bad(text);
  const exportName = decoded(name, text);
  if (unix === undefined) return { address: parseAuthority(authority, text), exportName };
  const socket = query.split("&").find((pair) => pair.startsWith("socket="));
  if (socket === undefined || authority !== "") throw bad(text);
  const path = decoded(socket.slice("socket=".length), text);
  if (path === "") throw bad(text);
  return { address: { path }, exportName };
}

/** The URL of an export; the inverse of `parseNbdUrl`. */
export function formatNbdUrl({ address, exportName }: NbdUrl): string {
  const name = encodeURIComponent(exportName).replaceAll("%2F", "/");
  if ("path" in address)
    return `nbd+unix:///${name}?socket=${encodeURIComponent(address.path).replaceAll("%2F", "/")}`;
  return `nbd://${formatNbdAddress(address)}/${name}`;
}

/** `host:port`, with brackets around an IPv6 address, or the path. */
export function formatNbdAddress(address: NbdAddress): string {
  if ("path" in address) return address.path;
  return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}

function parseAuthority(authority: string, text: string): NbdAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^:[\]@]+))(?::(\d{1,5}))?$/.exec(authority);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? defaultPort);
  if (host === undefined || port < 1 || port > 65_535) throw bad(text);
  return { host, port };
}

function decoded(part: string, text: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw bad(text);
  }
}

const bad = (text: string) =>
  new UsageError(
    "BAD_URL",
    `${text}: no NBD URL; write nbd://host:10809/export or nbd+unix:///export?socket=/path/of/socket`,
  );
