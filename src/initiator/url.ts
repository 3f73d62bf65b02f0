import { UrlError } from "./errors.ts";

export const defaultPort = 3260;

export interface Portal {
  /** Host name or address; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface IscsiUrl extends Portal {
  /** Absent in a URL for discovery. */
  readonly target?: string;
  readonly lun: number;
  readonly user?: string;
  /** Given in the URL itself: a command line must refuse that, everybody on the machine can read it there. */
  readonly secret?: string;
}

/**
 * Reads an iSCSI URL in either form:
 * - `iscsi://[user[%secret]@]host[:port][/target-name[/lun]]`, as libiscsi has it; the LUN is decimal.
 * - `iscsi:host:[protocol]:[port]:[lun]:target-name`, the root path of RFC 4173 §5; the LUN is hexadecimal, the
 *   protocol 6 (TCP) or left out.
 * @throws UrlError that shows the form to write; it never repeats a secret.
 */
export function parseIscsiUrl(url: string): IscsiUrl {
  if (url.startsWith("iscsi://")) return parseSlashed(url.slice(8));
  if (url.startsWith("iscsi:")) return parseRootPath(url.slice(6));
  throw new UrlError(
    "an iSCSI URL begins with iscsi://, as in iscsi://host:3260/iqn.2001-04.com.example:disk/0",
  );
}

/** The same in libiscsi's form, without the secret. */
export function formatIscsiUrl({ host, port, target, lun, user }: IscsiUrl): string {
  const who = user === undefined ? "" : `${user}@`;
  const what = target === undefined ? "" : `/${target}/${lun}`;
  return `iscsi://${who}${formatPortal({ host, port })}${what}`;
}

/** `host:port`, with brackets around an IPv6 address. */
export function formatPortal({ host, port }: Portal): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Reads `host`, `host:port`, `[v6]:port`, and the same with `,tag` behind, as TargetAddress has it (RFC 7143 §13.8).
 * @returns undefined when it is none of these.
 */
export function parsePortal(text: string): (Portal & { readonly tag?: number }) | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^\s:,[\]/@]+))(?::(\d{1,5}))?(?:,(\d{1,5}))?$/.exec(
    text,
  );
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? defaultPort);
  const tag = match?.[4] === undefined ? undefined : Number(match[4]);
  if (host === undefined || port < 1 || port > 65_535 || (tag ?? 0) > 65_535) return undefined;
  return { host, port, ...(tag !== undefined && { tag }) };
}

function parseSlashed(rest: string): IscsiUrl {
  const [authority = "", target, lun, ...more] = rest.replace(/\/$/, "").split("/");
  const at = authority.lastIndexOf("@");
  const portal = parsePortal(authority.slice(at + 1));
  if (portal === undefined) throw new UrlError("the URL names no host; write iscsi://host:3260/target/lun");
  if (more.length > 0) throw new UrlError("the URL has too many parts; write iscsi://host:3260/target/lun");
  return {
    host: portal.host,
    port: portal.port,
    lun: parseLun(lun ?? "0", 10),
    ...(target !== undefined && target !== "" && { target }),
    ...(at >= 0 && parseUser(authority.slice(0, at))),
  };
}

function parseUser(text: string): { user: string; secret?: string } {
  const split = text.indexOf("%");
  return split < 0 ? { user: text } : { user: text.slice(0, split), secret: text.slice(split + 1) };
}

function parseRootPath(rest: string): IscsiUrl {
  const match = /^(\[[^\]]*\]|[^:]*):([^:]*):([^:]*):([^:]*):(.*)$/s.exec(rest);
  const [, server = "", protocol = "", port = "", lun = "", target = ""] = match ?? [];
  const portal = parsePortal(port === "" ? server : `${server}:${port}`);
  if (portal === undefined || target === "") {
    throw new UrlError(
      "an iSCSI root path has five parts, as in iscsi:host::3260:0:iqn.2001-04.com.example:disk",
    );
  }
  if (protocol !== "" && protocol !== "6") {
    throw new UrlError(`protocol ${JSON.stringify(protocol)} in the root path: only 6 (TCP) carries iSCSI`);
  }
  return { host: portal.host, port: portal.port, lun: parseLun(lun === "" ? "0" : lun, 16), target };
}

/** Decimal, or hexadecimal in the grouped form of RFC 4173 ("4752-3A4F-6b7e-2F99" for all eight bytes). */
function parseLun(text: string, radix: 10 | 16): number {
  const digits = radix === 16 ? text.replaceAll("-", "") : text;
  const good = radix === 16 ? /^[0-9a-fA-F]{1,16}$/ : /^\d{1,8}$/;
  const value = digits.length > 4 && radix === 16 ? topOf(digits) : Number.parseInt(digits, radix);
  if (!good.test(digits) || value > 16_383) {
    throw new UrlError(
      `LUN ${JSON.stringify(text)}: write a number from 0 to ${radix === 16 ? "3fff" : "16383"}`,
    );
  }
  return value;
}

/** The first two of eight bytes, where single-level LUNs have their number, the flat-space bit taken off. */
function topOf(digits: string): number {
  const bytes = digits.padEnd(16, "0");
  return /^0{12}$/.test(bytes.slice(4)) ? Number.parseInt(bytes.slice(0, 4), 16) & 0x3fff : Infinity;
}
