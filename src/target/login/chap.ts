import { createHash, randomBytes, randomInt, timingSafeEqual } from "node:crypto";
import { parseBinary, writeBinary, type TextKey } from "ts-iscsi-pdu";

/** Who may log in by CHAP, and how this side proves itself where the initiator asks. */
export interface ChapUsers {
  /** Secrets by CHAP name. */
  readonly users: Readonly<Record<string, string>>;
  /** This target's own name and secret, for mutual authentication. */
  readonly mutual?: { readonly user: string; readonly secret: string };
  /** Algorithms allowed, by number (5 MD5, 6 SHA-1, 7 SHA-256, 8 SHA3-256); all unless told. */
  readonly algorithms?: readonly number[];
}

/** The algorithm numbers that IANA has registered for CHAP. */
const algorithms: Readonly<Record<number, { readonly hash: string; readonly length: number }>> = {
  5: { hash: "md5", length: 16 },
  6: { hash: "sha1", length: 20 },
  7: { hash: "sha256", length: 32 },
  8: { hash: "sha3-256", length: 32 },
};

export type ChapStep =
  | { readonly kind: "continue"; readonly keys: readonly TextKey[] }
  | { readonly kind: "passed"; readonly keys: readonly TextKey[]; readonly user: string }
  | { readonly kind: "failed"; readonly why: string };

/** The target's half of one CHAP exchange (RFC 7143, section 12.1.3). Its errors never show a secret. */
export class ChapVerifier {
  readonly #users: ChapUsers;
  #algorithm: { readonly hash: string; readonly length: number } | undefined;
  #identifier = 0;
  #challenge: Buffer = Buffer.alloc(0);

  constructor(users: ChapUsers) {
    this.#users = users;
  }

  step(keys: ReadonlyMap<string, string>): ChapStep {
    return this.#algorithm === undefined ? this.#challengeWith(keys) : this.#verify(keys);
  }

  #challengeWith(keys: ReadonlyMap<string, string>): ChapStep {
    const offered = keys.get("CHAP_A");
    if (offered === undefined) return { kind: "continue", keys: [] };
    const allowed = this.#users.algorithms ?? [5, 6, 7, 8];
    const chosen = offered
      .split(",")
      .map(Number)
      .find((number) => allowed.includes(number) && number in algorithms);
    if (chosen === undefined)
      return { kind: "failed", why: `none of the CHAP algorithms ${offered.slice(0, 40)}` };
    this.#algorithm = algorithms[chosen];
    this.#identifier = randomInt(256);
    this.#challenge = randomBytes(this.#algorithm?.length ?? 16);
    return {
      kind: "continue",
      keys: [
        ["CHAP_A", String(chosen)],
        ["CHAP_I", String(this.#identifier)],
        ["CHAP_C", writeBinary(this.#challenge)],
      ],
    };
  }

  #verify(keys: ReadonlyMap<string, string>): ChapStep {
    const user = keys.get("CHAP_N");
    const response = binary(keys.get("CHAP_R"));
    if (user === undefined || response === undefined)
      return { kind: "failed", why: "CHAP_N or CHAP_R is missing" };
    const secret = Object.hasOwn(this.#users.users, user) ? this.#users.users[user] : undefined;
    // An unknown user takes as long as a known one.
    const expected = this.#digest(this.#identifier, secret ?? randomBytes(16), this.#challenge);
    const right = response.length === expected.length && timingSafeEqual(response, expected);
    if (!right || secret === undefined)
      return { kind: "failed", why: `wrong response of user "${user.slice(0, 64)}"` };
    const proof = this.#proveSelf(keys, secret);
    return typeof proof === "string" ? { kind: "failed", why: proof } : { kind: "passed", keys: proof, user };
  }

  /** The answer to the initiator's own challenge, or why there is none. */
  #proveSelf(keys: ReadonlyMap<string, string>, theirSecret: string): readonly TextKey[] | string {
    const text = keys.get("CHAP_C");
    if (text === undefined && keys.get("CHAP_I") === undefined) return [];
    const identifier = Number(keys.get("CHAP_I"));
    const challenge = binary(text);
    if (!Number.isInteger(identifier) || identifier < 0 || identifier > 255 || challenge === undefined)
      return "the initiator's CHAP_I or CHAP_C is malformed";
    if (this.#challenge.equals(challenge)) return "the initiator hands back this target's own challenge";
    const { mutual } = this.#users;
    if (mutual === undefined) return "the initiator wants mutual CHAP, for which this target has no secret";
    if (mutual.secret === theirSecret) return "both directions of CHAP share one secret";
    return [
      ["CHAP_N", mutual.user],
      ["CHAP_R", writeBinary(this.#digest(identifier, mutual.secret, challenge))],
    ];
  }

  #digest(identifier: number, secret: string | Uint8Array, challenge: Uint8Array): Buffer {
    return createHash(this.#algorithm?.hash ?? "md5")
      .update(Uint8Array.of(identifier))
      .update(secret)
      .update(challenge)
      .digest();
  }
}

function binary(text: string | undefined): Uint8Array | undefined {
  try {
    return text === undefined ? undefined : parseBinary(text);
  } catch {
    return undefined;
  }
}
