/** Who saw it. */
export type Source =
  | "run"
  | "machine"
  | "wire"
  | "serial"
  | "screen"
  | "memory"
  | "target"
  | "netboot"
  | "preflight"
  | "firmware"
  | "kd"
  | "ems"
  | "probe";

/** One thing seen at one moment: JSON values only, never a secret. */
export interface Observation {
  /** Seconds since the run's clock started, monotonic. */
  readonly t: number;
  readonly source: Source;
  /** A lower-case word that tells what `data` holds. */
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
}
