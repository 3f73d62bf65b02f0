/** An address that a client holds, was offered, or that somebody else turned out to use. Times in seconds. */
export interface Lease {
  readonly address: number;
  /** Whose it is; "" while it is declined. */
  readonly client: string;
  readonly state: "offered" | "bound" | "released" | "declined";
  readonly expires: number;
}

export interface AddressRange {
  readonly first: number;
  readonly last: number;
}

/** How long an offered address is kept for the client that has not asked for it yet. */
const OFFER_SECONDS = 60;
/** How long an address rests after a client found it in use by somebody else. */
const DECLINE_SECONDS = 600;

/**
 * The addresses of one subnet. A client gets the one it had before where that is still free, else one that nobody had,
 * else the one free for longest (RFC 2131 §4.3.1). Memory is bounded by the size of the ranges.
 */
export class LeasePool {
  readonly #ranges: readonly AddressRange[];
  readonly #excluded: ReadonlySet<number>;
  readonly #leases = new Map<number, Lease>();
  readonly #byClient = new Map<string, number>();
  readonly #now: () => number;

  constructor(ranges: readonly AddressRange[], excluded: ReadonlySet<number>, now: () => number) {
    this.#ranges = ranges;
    this.#excluded = excluded;
    this.#now = now;
  }

  leases(): readonly Lease[] {
    return [...this.#leases.values()];
  }

  /** Whether `client` may have `address`: it lies in the pool, and nobody else holds it. */
  isFree(address: number, client: string): boolean {
    if (!this.#inRange(address) || this.#excluded.has(address)) return false;
    return this.#isIdle(address, client);
  }

  /** The address that `client` holds or was offered last, if it still stands. */
  held(client: string): Lease | undefined {
    const address = this.#byClient.get(client);
    const lease = address === undefined ? undefined : this.#leases.get(address);
    return lease?.client === client ? lease : undefined;
  }

  /** An address for `client`, `wanted` if possible; undefined when the pool is exhausted. */
  choose(client: string, wanted: number | undefined): number | undefined {
    const held = this.held(client);
    if (held && this.isFree(held.address, client)) return held.address;
    if (wanted !== undefined && this.isFree(wanted, client)) return wanted;
    return this.#neverUsed() ?? this.#longestIdle(client);
  }

  offer(client: string, address: number): void {
    const held = this.held(client);
    // A client that holds the address may ask again at any time; an offer must not shorten what it has.
    if (held?.address === address && held.state === "bound" && held.expires > this.#now() + OFFER_SECONDS)
      return;
    this.#set({ address, client, state: "offered", expires: this.#now() + OFFER_SECONDS });
  }

  bind(client: string, address: number, seconds: number): void {
    this.#set({ address, client, state: "bound", expires: this.#now() + seconds });
  }

  release(client: string, address: number): boolean {
    const held = this.held(client);
    if (held?.address !== address || held.state === "declined") return false;
    this.#leases.set(address, { ...held, state: "released", expires: this.#now() });
    return true;
  }

  decline(address: number): void {
    if (!this.#inRange(address)) return;
    this.#set({ address, client: "", state: "declined", expires: this.#now() + DECLINE_SECONDS });
  }

  /** Forgets an offer that the client did not take. */
  withdraw(client: string): void {
    const held = this.held(client);
    if (held?.state === "offered") this.release(client, held.address);
  }

  #set(lease: Lease): void {
    const before = this.#byClient.get(lease.client);
    if (before !== undefined && before !== lease.address) this.#leases.delete(before);
    const previous = this.#leases.get(lease.address);
    if (previous && previous.client !== lease.client) this.#byClient.delete(previous.client);
    this.#leases.set(lease.address, lease);
    if (lease.client !== "") this.#byClient.set(lease.client, lease.address);
  }

  #inRange(address: number): boolean {
    return this.#ranges.some(({ first, last }) => address >= first && address <= last);
  }

  #isIdle(address: number, client: string): boolean {
    const lease = this.#leases.get(address);
    if (!lease || lease.expires <= this.#now()) return true;
    return lease.client === client;
  }

  #neverUsed(): number | undefined {
    for (const { first, last } of this.#ranges) {
      for (let address = first; address <= last; address++) {
        if (!this.#excluded.has(address) && !this.#leases.has(address)) return address;
      }
    }
    return undefined;
  }

  #longestIdle(client: string): number | undefined {
    let best: Lease | undefined;
    for (const lease of this.#leases.values()) {
      if (!this.isFree(lease.address, client)) continue;
      if (!best || lease.expires < best.expires) best = lease;
    }
    return best?.address;
  }
}
