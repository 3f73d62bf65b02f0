import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { parseBinary, writeBinary } from "ts-iscsi-pdu";
import { LoginError } from "./errors.ts";

/** The hash algorithms of RFC 7143 §12.1.3 and IANA's registry, strongest first. */
const algorithms = {
  "SHA3-256": { number: 8, hash: "sha3-256", length: 32 },
  "SHA-256": { number: 7, hash: "sha256", length: 32 },
  "SHA-1": { number: 6, hash: "sha1", length: 20 },
  MD5: { number: 5, hash: "md5", length: 16 },
} as const;
export type ChapAlgorithm = keyof typeof algorithms;
export const chapAlgorithms: readonly ChapAlgorithm[] = ["SHA3-256", "SHA-256", "SHA-1", "MD5"];

export interface ChapCredentials {
  /** CHAP_N. */
  readonly user: string;
  /** At least 12 bytes, as RFC 7143 §9.2.1 demands where IPsec is not known to protect the connection. */
  readonly secret: string;
}

export interface ChapOptions extends ChapCredentials {
  /** What the target must prove itself with; without it only this side does. */
  readonly mutual?: ChapCredentials;
  /** In order of preference; all four, strongest first, unless told. */
  readonly algorithms?: readonly ChapAlgorithm[];
}

/** @throws LoginError when a secret is too short, or both directions share one (RFC 7143 §9.2.1). */
export function checkChapOptions({ secret, mutual }: ChapOptions): void {
  for (const text of [secret, ...(mutual ? [mutual.secret] : [])]) {
    if (Buffer.byteLength(text) >= 12) continue;
    throw new LoginError(
      "CHAP_SECRET_TOO_SHORT",
      "a CHAP secret must have 12 bytes or more; choose a longer one on both sides",
    );
  }
  if (mutual?.secret === secret) {
    throw new LoginError(
      "CHAP_SECRET_SHARED",
      "the CHAP secrets of initiator and target must differ; change one of them",
    );
  }
}

/** Challenges that this process has sent and that nobody may hand back to it. */
const ownChallenges = new Set<string>();

/** One CHAP exchange of the initiator. It never shows a secret, neither in errors nor in properties. */
export class ChapExchange implements Disposable {
  readonly #options: ChapOptions;
  readonly #where: string;
  readonly #allowed: readonly ChapAlgorithm[];
  #algorithm: ChapAlgorithm | undefined;
  #identifier = 0;
  #challenge: Uint8Array | undefined;
  #passed = false;

  constructor(where: string, options: ChapOptions, allowed: readonly ChapAlgorithm[]) {
    this.#where = where;
    this.#options = options;
    this.#allowed = allowed;
  }

  /** What the target chose; undefined before it has. */
  get algorithm(): ChapAlgorithm | undefined {
    return this.#algorithm;
  }

  /** Whether everybody who has to prove something has done so. */
  get passed(): boolean {
    return this.#passed;
  }

  /** First message: the algorithms. */
  offer(): readonly (readonly [string, string])[] {
    return [["CHAP_A", this.#allowed.map((name) => algorithms[name].number).join(",")]];
  }

  /** Second message: the response to the target's challenge, and a challenge of our own for mutual authentication. */
  respond(keys: ReadonlyMap<string, string>): readonly (readonly [string, string])[] {
    const chosen = keys.get("CHAP_A");
    const algorithm = this.#allowed.find((name) => String(algorithms[name].number) === chosen);
    if (algorithm === undefined)
      throw this.#refuse(`the target chose CHAP algorithm ${shown(chosen)}, which was not offered`);
    this.#algorithm = algorithm;
    const identifier = Number(keys.get("CHAP_I"));
    if (!Number.isInteger(identifier) || identifier < 0 || identifier > 255) {
      throw this.#refuse(`CHAP_I is ${shown(keys.get("CHAP_I"))}, not 0 to 255`);
    }
    const challenge = binary(keys.get("CHAP_C"));
    if (challenge === undefined) {
      throw this.#refuse("CHAP_C is not a challenge of 1 to 1024 bytes");
    }
    if (ownChallenges.has(text(challenge)))
      throw this.#refuse("the target hands back a challenge of this initiator");
    const { user, secret, mutual } = this.#options;
    const pairs: [string, string][] = [
      ["CHAP_N", user],
      ["CHAP_R", writeBinary(digest(algorithm, identifier, secret, challenge))],
    ];
    if (mutual === undefined) this.#passed = true;
    else pairs.push(...this.#challengeTarget(identifier));
    return pairs;
  }

  /** Checks the target's own proof, in constant time. */
  verify(keys: ReadonlyMap<string, string>): void {
    const { mutual } = this.#options;
    if (mutual === undefined || this.#algorithm === undefined || this.#challenge === undefined) return;
    const response = binary(keys.get("CHAP_R"));
    const name = keys.get("CHAP_N");
    if (response === undefined || name === undefined)
      throw this.#refuse("the target did not prove who it is");
    const expected = digest(this.#algorithm, this.#identifier, mutual.secret, this.#challenge);
    const right = response.length === expected.length && timingSafeEqual(response, expected);
    if (!right || name !== mutual.user) {
      throw this.#refuse("the target's proof is wrong; check the mutual CHAP user and secret on both sides");
    }
    this.#passed = true;
  }

  [Symbol.dispose](): void {
    if (this.#challenge !== undefined) ownChallenges.delete(text(this.#challenge));
  }

  #challengeTarget(received: number): readonly [string, string][] {
    this.#identifier = (received + 1 + Math.floor(Math.random() * 254)) & 0xff;
    this.#challenge = randomBytes(algorithms[this.#algorithm ?? "MD5"].length);
    ownChallenges.add(text(this.#challenge));
    return [
      ["CHAP_I", String(this.#identifier)],
      ["CHAP_C", writeBinary(this.#challenge)],
    ];
  }

  #refuse(message: string): LoginError {
    return new LoginError("CHAP_FAILED", `${this.#where}: ${message} (RFC 7143 §12.1.3)`);
  }
}

/** Hash of identifier byte, secret and challenge (RFC 1994 §4.1). */
function digest(
  algorithm: ChapAlgorithm,
  identifier: number,
  secret: string,
  challenge: Uint8Array,
): Uint8Array {
  return createHash(algorithms[algorithm].hash)
    .update(Uint8Array.of(identifier))
    .update(secret)
    .update(challenge)
    .digest();
}

/** Up to 1024 bytes in either notation; undefined for anything else. */
function binary(value: string | undefined): Uint8Array | undefined {
  try {
    return value === undefined ? undefined : parseBinary(value);
  } catch {
    return undefined;
  }
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const shown = (value: string | undefined) =>
  value === undefined ? "missing" : JSON.stringify(value.slice(0, 40));
