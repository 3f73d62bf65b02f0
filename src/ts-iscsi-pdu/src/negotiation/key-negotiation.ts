import { ProtocolError } from "../errors.ts";
import { writeValue, type KeyRule } from "./key-rule.ts";
import {
  defaultValues,
  isOperationalKey,
  obsoleteKeyAnswers,
  operationalKeys,
  type OperationalKey,
  type OperationalValues,
} from "./key-table.ts";

export interface KeyNegotiationOptions {
  /** What this side wants; keys left out stand at the default of the specification. */
  readonly wishes: Partial<OperationalValues>;
  readonly sessionType: "Normal" | "Discovery";
  /** Full feature phase allows few keys, login all. */
  readonly phase?: "login" | "full-feature";
}

interface Progress {
  /** What we offered and the peer has yet to answer. */
  offered?: string;
  settled?: boolean;
}

/**
 * One side's bookkeeping of a negotiation of operational keys, for initiator and target alike: what it offers, what it
 * answers, and what both agree on. Keys that are not operational (names, authentication) are the caller's.
 */
export class KeyNegotiation {
  readonly #options: KeyNegotiationOptions;
  readonly #progress = new Map<OperationalKey, Progress>();
  readonly #results: { -readonly [K in OperationalKey]: OperationalValues[K] } = defaultValues();
  #declared = operationalKeys.MaxRecvDataSegmentLength.default;

  constructor(options: KeyNegotiationOptions) {
    this.#options = options;
  }

  /**
   * What both sides agree on so far, defaults elsewhere. `MaxRecvDataSegmentLength` is the peer's declaration: what
   * this side may send.
   */
  get results(): OperationalValues {
    return this.#results;
  }

  /** What this side has declared as its own `MaxRecvDataSegmentLength`: what the peer may send. */
  get ownMaxRecvDataSegmentLength(): number {
    return this.#declared;
  }

  /** The keys among `names` that have not been mentioned yet, with this side's wishes, ready to send. */
  offer(names: readonly OperationalKey[]): readonly (readonly [string, string])[] {
    const pairs: [string, string][] = [];
    for (const name of names) {
      const rule: KeyRule = operationalKeys[name];
      const progress = this.#of(name);
      if (progress.offered !== undefined || (progress.settled === true && !rule.declared)) continue;
      if (this.#isDiscovery && (rule.normalOnly || name === "ErrorRecoveryLevel")) continue;
      const value = this.#wish(name);
      if (name === "MaxRecvDataSegmentLength") this.#declared = Number(value);
      else progress.offered = value;
      pairs.push([name, value]);
    }
    return pairs;
  }

  /**
   * Takes one key from the peer: an answer to an offer of ours, a declaration, or an offer.
   * @returns the value to answer with, undefined when none is due.
   * @throws ProtocolError when the peer may not send this.
   */
  receive(name: string, text: string): string | undefined {
    if (!isOperationalKey(name))
      return obsoleteKeyAnswers[name] ?? (isRefusal(text) ? undefined : "NotUnderstood");
    const rule: KeyRule = operationalKeys[name];
    const progress = this.#of(name);
    if (progress.offered !== undefined) {
      this.#takeAnswer(name, text, progress.offered);
      delete progress.offered;
      progress.settled = true;
      return undefined;
    }
    if (progress.settled === true && !(rule.declared && this.#options.phase === "full-feature")) {
      throw keyError(name, "6.3", text, "sent twice in one negotiation");
    }
    if (isRefusal(text)) throw keyError(name, "6.2", text, `answered ${quoted(text)} without an offer`);
    progress.settled = true;
    if (rule.normalOnly && this.#isDiscovery) return "Irrelevant";
    if (this.#options.phase === "full-feature" && rule.use !== "any") return "Reject";
    return this.#takeOffer(name, text);
  }

  /** Offers that the peer owes an answer to. */
  get unanswered(): readonly OperationalKey[] {
    return [...this.#progress]
      .filter(
        ([name, { offered }]) =>
          offered !== undefined && operationalKeys[name].implied(offered) === undefined,
      )
      .map(([name]) => name);
  }

  /**
   * Ends the negotiation; the results are final.
   * @throws ProtocolError when an answer is missing, or a digest was demanded and refused.
   */
  finish(): OperationalValues {
    for (const [name, { offered }] of this.#progress) {
      if (offered === undefined) continue;
      const implied = operationalKeys[name].implied(offered);
      if (implied === undefined)
        throw keyError(name, "6.2", "nothing", `the offer "${offered}" got no answer`);
      this.#store(name, implied);
    }
    for (const name of ["HeaderDigest", "DataDigest"] as const) {
      const wish = this.#options.wishes[name];
      if (wish !== undefined && !wish.split(",").includes(this.#results[name])) {
        throw keyError(
          name,
          "13.1",
          this.#results[name],
          `the peer does not offer "${wish}", and nothing else is allowed here`,
        );
      }
    }
    // Both are negotiated apart, yet the first burst must not exceed any other (section 13.14).
    const { FirstBurstLength, MaxBurstLength } = this.#results;
    this.#results.FirstBurstLength = Math.min(FirstBurstLength, MaxBurstLength);
    return this.#results;
  }

  #takeAnswer(name: OperationalKey, text: string, offered: string): void {
    if (isRefusal(text)) return;
    const rule: KeyRule = operationalKeys[name];
    if (rule.parse(text) === undefined) {
      throw keyError(name, rule.section, text, `the answer ${quoted(text)} is not ${rule.range}`);
    }
    if (!rule.permits(offered, text)) {
      throw keyError(
        name,
        rule.section,
        text,
        `the answer ${quoted(text)} cannot follow from the offer "${offered}"`,
      );
    }
    this.#store(name, text);
  }

  #takeOffer(name: OperationalKey, text: string): string | undefined {
    const rule: KeyRule = operationalKeys[name];
    const answer = rule.settle(text, this.#wish(name));
    if (answer === undefined) {
      if (rule.declared) throw keyError(name, rule.section, text, `${quoted(text)} is not ${rule.range}`);
      return "Reject";
    }
    this.#store(name, answer);
    return rule.declared ? undefined : answer;
  }

  #store(name: OperationalKey, text: string): void {
    Object.assign(this.#results, { [name]: operationalKeys[name].parse(text) });
  }

  get #isDiscovery(): boolean {
    return this.#options.sessionType === "Discovery";
  }

  #wish(name: OperationalKey): string {
    // Section 7.4.1: who is asked for more in a discovery session answers 0.
    if (name === "ErrorRecoveryLevel" && this.#isDiscovery) return "0";
    return writeValue(this.#options.wishes[name] ?? operationalKeys[name].default);
  }

  #of(name: OperationalKey): Progress {
    let progress = this.#progress.get(name);
    if (progress === undefined) this.#progress.set(name, (progress = {}));
    return progress;
  }
}

const isRefusal = (text: string) => text === "NotUnderstood" || text === "Reject" || text === "Irrelevant";

/** What a peer sent, fit for a message: control characters escaped, not endless. */
const quoted = (text: string) => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);

function keyError(key: string, section: string, got: string | number, message: string): ProtocolError {
  const clause = `RFC 7143 §${section}`;
  return new ProtocolError({
    code: "TEXT_VALUE",
    section: clause,
    field: key,
    got,
    message: `${key}: ${message}`,
  });
}
