import { randomBytes } from "node:crypto";
import { UsageError } from "#core";
import type { ChapOptions } from "#initiator";
import type { ChapWish } from "./emulated-schema.ts";

/** Secrets from the environment, for scenarios and URLs that name a user only. */
export interface ChapSecrets {
  readonly own?: string | undefined;
  readonly mutual?: string | undefined;
}

/** Microsoft's initiator takes secrets of 12 to 16 bytes and no others. */
const secretBytes = 8;

/**
 * The credentials of a run; undefined where nobody has to prove anything. `urlUser` is the user that a target's URL
 * names.
 *
 * @throws UsageError NO_SECRET
 */
export function chapOf(
  wish: ChapWish,
  urlUser: string | undefined,
  secrets: ChapSecrets = {},
): ChapOptions | undefined {
  if (wish === "none" && urlUser === undefined) return undefined;
  if (typeof wish === "object") {
    const { user, mutual } = wish;
    const secret = wish.secret ?? required(secrets.own, "SANLAB_CHAP_SECRET");
    if (mutual === undefined) return { user, secret };
    const other = mutual.secret ?? required(secrets.mutual, "SANLAB_MUTUAL_CHAP_SECRET");
    return { user, secret, mutual: { user: mutual.user, secret: other } };
  }
  if (urlUser !== undefined) return { user: urlUser, secret: required(secrets.own, "SANLAB_CHAP_SECRET") };
  const own = { user: "guest", secret: randomSecret() };
  return wish === "mutual" ? { ...own, mutual: { user: "disk", secret: randomSecret() } } : own;
}

function required(secret: string | undefined, variable: string): string {
  if (secret !== undefined && secret !== "") return secret;
  throw new UsageError("NO_SECRET", `no CHAP secret is given; set ${variable}`);
}

function randomSecret(): string {
  return randomBytes(secretBytes).toString("hex");
}
