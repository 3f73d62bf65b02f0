import { boolean, declaredNumber, list, numeric, type KeyRule } from "./key-rule.ts";

const normalOnly = { normalOnly: true } as const;
const bytes = [512, 2 ** 24 - 1] as const;

/**
 * The operational keys of RFC 7143 section 13, by their names on the wire. Both sides of a login negotiate by this one
 * table.
 */
export const operationalKeys = {
  HeaderDigest: list("13.1", ["None", "CRC32C"], "None", { use: "login" }),
  DataDigest: list("13.1", ["None", "CRC32C"], "None", { use: "login" }),
  MaxConnections: numeric("13.2", Math.min, 1, [1, 65_535], normalOnly),
  InitialR2T: boolean("13.10", "or", true, normalOnly),
  ImmediateData: boolean("13.11", "and", true, normalOnly),
  MaxRecvDataSegmentLength: declaredNumber("13.12", 8192, bytes, { use: "any" }),
  MaxBurstLength: numeric("13.13", Math.min, 262_144, bytes, normalOnly),
  FirstBurstLength: numeric("13.14", Math.min, 65_536, bytes, normalOnly),
  DefaultTime2Wait: numeric("13.15", Math.max, 2, [0, 3600]),
  DefaultTime2Retain: numeric("13.16", Math.min, 20, [0, 3600]),
  MaxOutstandingR2T: numeric("13.17", Math.min, 1, [1, 65_535], normalOnly),
  DataPDUInOrder: boolean("13.18", "or", true, normalOnly),
  DataSequenceInOrder: boolean("13.19", "or", true, normalOnly),
  ErrorRecoveryLevel: numeric("13.20", Math.min, 0, [0, 2]),
  TaskReporting: list("13.23", ["RFC3720", "ResponseFence", "FastAbort"], "RFC3720", normalOnly),
  iSCSIProtocolLevel: numeric("13.24", Math.min, 1, [0, 31]),
} as const satisfies Readonly<Record<string, KeyRule>>;

export type OperationalKey = keyof typeof operationalKeys;

/** The value of each operational key. A wish for a list key is a list in order of preference, its result one choice. */
export type OperationalValues = {
  readonly [K in OperationalKey]: (typeof operationalKeys)[K] extends KeyRule<infer V> ? V : never;
};

/**
 * Marker keys of RFC 3720 that section 13.25 made obsolete. They must still be answered, with these values, instead of
 * `NotUnderstood`.
 */
export const obsoleteKeyAnswers: Readonly<Record<string, string>> = {
  IFMarker: "No",
  OFMarker: "No",
  IFMarkInt: "Reject",
  OFMarkInt: "Reject",
};

export const isOperationalKey = (name: string): name is OperationalKey =>
  Object.hasOwn(operationalKeys, name);

/** What holds when a login mentions no key at all. */
export function defaultValues(): OperationalValues {
  const entries = Object.entries(operationalKeys).map(([name, rule]) => [name, rule.default] as const);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- fromEntries forgets the names
  return Object.fromEntries(entries) as OperationalValues;
}
