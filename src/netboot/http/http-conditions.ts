import type { IncomingHttpHeaders } from "node:http";

/** What identifies the representation that would be sent. */
export interface Validators {
  /** A strong entity tag, quotes included. */
  readonly etag: string;
  readonly modified: Date;
}

/**
 * Evaluates the conditional headers in the order of RFC 9110 §13.2.2: 412 or 304 where the method must not be
 * performed, else undefined.
 */
export function failedCondition(
  headers: IncomingHttpHeaders,
  { etag, modified }: Validators,
): 304 | 412 | undefined {
  const ifMatch = headers["if-match"];
  const unmodifiedSince = seconds(headers["if-unmodified-since"]);
  const changed = seconds(modified.toUTCString()) ?? 0;
  if (ifMatch !== undefined) {
    if (!lists(ifMatch, etag)) return 412;
  } else if (unmodifiedSince !== undefined && changed > unmodifiedSince) return 412;

  const ifNoneMatch = headers["if-none-match"];
  const modifiedSince = seconds(headers["if-modified-since"]);
  if (ifNoneMatch !== undefined) return lists(ifNoneMatch.replaceAll("W/", ""), etag) ? 304 : undefined;
  return modifiedSince !== undefined && changed <= modifiedSince ? 304 : undefined;
}

/** Whether a Range header counts: If-Range, where given, must name exactly this representation (§13.1.5). */
export function rangeApplies(headers: IncomingHttpHeaders, { etag, modified }: Validators): boolean {
  const condition = headers["if-range"];
  if (typeof condition !== "string") return true;
  return condition.includes('"')
    ? condition === etag
    : seconds(condition) === seconds(modified.toUTCString());
}

function lists(header: string, etag: string): boolean {
  return header.trim() === "*" || header.split(",").some((entry) => entry.trim() === etag);
}

/** An HTTP date, which has no fractions of a second. */
function seconds(date: string | undefined): number | undefined {
  const time = date === undefined ? Number.NaN : Date.parse(date);
  return Number.isNaN(time) ? undefined : Math.floor(time / 1000);
}
