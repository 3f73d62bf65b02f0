import { parseBoolean, parseList, parseNumber, writeBoolean } from "../text-values.ts";

export type KeyValue = string | number | boolean;

/** When a key may be used (the "Use" line of its section). */
export type KeyUse = "leading-login" | "login" | "any";

/** How one key works. Values are texts as on the wire; the functions know nothing of PDUs or of who asks. */
export interface KeyRule<V extends KeyValue = KeyValue> {
  /** The section of RFC 7143 that defines the key. */
  readonly section: string;
  readonly use: KeyUse;
  /** A declared key has no reply: each side says what holds for itself. */
  readonly declared: boolean;
  /** Answered with `Irrelevant` in a discovery session. */
  readonly normalOnly: boolean;
  /** What holds when neither side mentions the key. */
  readonly default: V;
  /** What is allowed, in words, for error messages. */
  readonly range: string;
  /** Reads one value (one choice of a list); undefined when syntax or range forbid it. */
  parse(text: string): V | undefined;
  /** The responder's answer to an offer; undefined when nothing fits and the answer is `Reject`. */
  settle(offered: string, own: string): string | undefined;
  /** Whether the well-formed `answer` is one that a responder may choose after `offered`. */
  permits(offered: string, answer: string): boolean;
  /** The result when an offer stays unanswered; undefined where the responder owes an answer (section 6.2.2). */
  implied(offered: string): string | undefined;
}

export interface RuleOptions {
  readonly use?: KeyUse;
  readonly normalOnly?: boolean;
}

const common = (section: string, options: RuleOptions) => ({
  section,
  use: options.use ?? "leading-login",
  normalOnly: options.normalOnly ?? false,
  declared: false,
  implied: () => undefined,
});

/** A number where the lower (`Math.min`) or the higher (`Math.max`) of both sides' values wins. */
export function numeric(
  section: string,
  result: (a: number, b: number) => number,
  initial: number,
  [low, high]: readonly [number, number],
  options: RuleOptions = {},
): KeyRule<number> {
  const parse = (text: string) => numberWithin(text, low, high);
  return {
    ...common(section, options),
    default: initial,
    range: `${low} to ${high}`,
    parse,
    settle: (offered, own) => {
      const value = parse(offered);
      return value === undefined ? undefined : String(result(value, Number(own)));
    },
    permits: (offered, answer) => result(Number(offered), Number(answer)) === Number(answer),
  };
}

/** A boolean whose result is `Yes` when one side says so ("or"), or only when both do ("and"). */
export function boolean(
  section: string,
  result: "or" | "and",
  initial: boolean,
  options: RuleOptions = {},
): KeyRule<boolean> {
  const decisive = result === "or" ? "Yes" : "No";
  return {
    ...common(section, options),
    default: initial,
    range: "Yes or No",
    parse: booleanOf,
    settle: (offered, own) => {
      if (booleanOf(offered) === undefined) return undefined;
      return offered === decisive ? decisive : own;
    },
    permits: (offered, answer) => offered !== decisive || answer === decisive,
    implied: (offered) => (offered === decisive ? decisive : undefined),
  };
}

/** A list in order of preference, of which the responder chooses the first that it supports and may use. */
export function list(
  section: string,
  known: readonly string[],
  initial: string,
  options: RuleOptions = {},
): KeyRule<string> {
  return {
    ...common(section, options),
    default: initial,
    range: known.join(" or "),
    parse: (text) => (known.includes(text) ? text : undefined),
    settle: (offered, own) => {
      const allowed = parseList(own);
      return parseList(offered).find((choice) => known.includes(choice) && allowed.includes(choice));
    },
    permits: (offered, answer) => parseList(offered).includes(answer),
  };
}

/** A number that each side declares for itself. */
export function declaredNumber(
  section: string,
  initial: number,
  [low, high]: readonly [number, number],
  options: RuleOptions = {},
): KeyRule<number> {
  const parse = (text: string) => numberWithin(text, low, high);
  return {
    ...common(section, options),
    declared: true,
    default: initial,
    range: `${low} to ${high}`,
    parse,
    settle: (offered) => parse(offered)?.toString(),
    permits: () => true,
  };
}

/** A value as it stands on the wire. */
export function writeValue(value: KeyValue): string {
  return typeof value === "boolean" ? writeBoolean(value) : String(value);
}

const numberWithin = (text: string, min: number, max: number) =>
  attempt(() => parseNumber(text, { min, max }));
const booleanOf = (text: string) => attempt(() => parseBoolean(text));

/** A malformed value is no exception here: it is answered with `Reject`. */
function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}
