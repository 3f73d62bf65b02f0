/**
 * Where a component tells what it sees and does, as plain data: `kind` is a lower-case word, `data` JSON values only
 * and never a secret. The receiver stamps the time; a component works the same when nobody listens.
 */
export type Report = (kind: string, data: Readonly<Record<string, unknown>>) => void;
