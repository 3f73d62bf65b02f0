import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { ReservationType, type RegistrationStatus, type Reservation, type ReservationKey } from "#scsi";

/** Registrations that one unit keeps at most; the standard's answer beyond is INSUFFICIENT REGISTRATION RESOURCES. */
const maxRegistrations = 256;

interface Holder {
  /** Undefined where all registrants hold the reservation. */
  readonly port: string | undefined;
  readonly type: number;
  readonly scope: number;
}

interface Saved {
  readonly generation: number;
  readonly keys: Readonly<Record<string, ReservationKey>>;
  readonly holder: { readonly port: string | null; readonly type: number; readonly scope: number } | null;
}

const allRegistrants = new Set<number>([
  ReservationType.WriteExclusiveAllRegistrants,
  ReservationType.ExclusiveAccessAllRegistrants,
]);
const registrantsOnly = new Set<number>([
  ReservationType.WriteExclusiveRegistrantsOnly,
  ReservationType.ExclusiveAccessRegistrantsOnly,
  ...allRegistrants,
]);
const writeExclusive = new Set<number>([
  ReservationType.WriteExclusive,
  ReservationType.WriteExclusiveRegistrantsOnly,
  ReservationType.WriteExclusiveAllRegistrants,
]);

/** Registrations and the persistent reservation of one logical unit (SPC-4, section 5.12), by initiator port name. */
export class Reservations {
  readonly #keys = new Map<string, ReservationKey>();
  readonly #file: string | undefined;
  #holder: Holder | undefined;
  #persist = false;
  generation = 0;

  constructor(file?: string) {
    this.#file = file;
    if (file !== undefined) this.#load(file);
  }

  get canPersist(): boolean {
    return this.#file !== undefined;
  }

  get persists(): boolean {
    return this.#persist;
  }

  get keys(): readonly ReservationKey[] {
    return [...this.#keys.values()];
  }

  get full(): boolean {
    return this.#keys.size >= maxRegistrations;
  }

  keyOf(port: string): ReservationKey | undefined {
    return this.#keys.get(port);
  }

  portsWithKey(key: ReservationKey): readonly string[] {
    return [...this.#keys].filter(([, own]) => own === key).map(([port]) => port);
  }

  get ports(): readonly string[] {
    return [...this.#keys.keys()];
  }

  get reservation(): (Reservation & { readonly port: string | undefined }) | undefined {
    if (this.#holder === undefined) return undefined;
    const { port, type, scope } = this.#holder;
    return { port, type, scope, key: (port !== undefined && this.#keys.get(port)) || "0".repeat(16) };
  }

  /** Whether this port holds the reservation; with an all-registrants type every registrant does. */
  holds(port: string): boolean {
    if (this.#holder === undefined) return false;
    return this.#holder.port === undefined ? this.#keys.has(port) : this.#holder.port === port;
  }

  /** Whether a reservation keeps this port from reading or writing (SPC-4, table 66). */
  conflicts(port: string, access: "read" | "write"): boolean {
    const holder = this.#holder;
    if (holder === undefined || this.holds(port)) return false;
    if (registrantsOnly.has(holder.type) && this.#keys.has(port)) return false;
    return access === "write" || !writeExclusive.has(holder.type);
  }

  register(port: string, key: ReservationKey): void {
    this.#keys.set(port, key);
  }

  /**
   * Takes a registration away. Where that ends a reservation, its type is returned: registrants of the other types must
   * be told (SPC-4, section 5.12.11.2).
   */
  unregister(port: string): number | undefined {
    const held = this.holds(port);
    this.#keys.delete(port);
    const holder = this.#holder;
    if (holder === undefined || !held) return undefined;
    if (holder.port === undefined && this.#keys.size > 0) return undefined;
    this.#holder = undefined;
    return holder.type;
  }

  reserve(port: string, type: number, scope: number): void {
    this.#holder = { port: allRegistrants.has(type) ? undefined : port, type, scope };
  }

  release(): void {
    this.#holder = undefined;
  }

  clear(): void {
    this.#keys.clear();
    this.#holder = undefined;
  }

  fullStatus(relativePort: number): readonly RegistrationStatus[] {
    return [...this.#keys].map(([port, key]) => ({
      key,
      holder: this.holds(port),
      type: this.#holder?.type ?? 0,
      scope: this.#holder?.scope ?? 0,
      relativePort,
      initiatorPort: port,
    }));
  }

  /** Writes the state down where APTPL asks for it; `persist` is the bit of the registration that changes it. */
  save(persist: boolean = this.#persist): void {
    const was = this.#persist;
    this.#persist = persist;
    if (this.#file === undefined || (!was && !persist)) return;
    const holder = this.#holder === undefined ? null : { ...this.#holder, port: this.#holder.port ?? null };
    const saved: Saved = persist
      ? { generation: this.generation, keys: Object.fromEntries(this.#keys), holder }
      : { generation: 0, keys: {}, holder: null };
    writeFileSync(`${this.#file}.new`, JSON.stringify(saved), { mode: 0o600, flush: true });
    renameSync(`${this.#file}.new`, this.#file);
  }

  #load(file: string): void {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
      throw error;
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this class wrote the file
    const saved = JSON.parse(text) as Saved;
    for (const [port, key] of Object.entries(saved.keys)) this.#keys.set(port, key);
    this.#holder =
      saved.holder === null ? undefined : { ...saved.holder, port: saved.holder.port ?? undefined };
    this.#persist = this.#keys.size > 0;
    this.generation = saved.generation;
  }
}
