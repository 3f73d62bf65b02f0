import { syncBit, type DataPacket } from "./packet.ts";

/** `session`: new as well, and the first of a kernel that has started or had given its debugger up. */
export type Reception = "new" | "session" | "repeat";

/**
 * Tells new packets from repeated ones by their numbers. A SYNC packet's number is always the same, so a repeat
 * of one is known by its body, until another packet has been taken.
 */
export class Receiver {
  /** Undefined: whatever comes next is new, as on a line that is joined in the middle. */
  #expected: number | undefined;
  #lastSync: Buffer | undefined;

  accept(packet: DataPacket): Reception {
    if ((packet.id & syncBit) !== 0) return this.#acceptSync(packet);
    if (this.#expected !== undefined && packet.id !== this.#expected) return "repeat";
    this.#expected = (packet.id ^ 1) >>> 0;
    this.#lastSync = undefined;
    return "new";
  }

  /** After a RESET the kernel counts from the beginning; but what it sent before may still arrive. */
  reset(): void {
    this.#expected = undefined;
    this.#lastSync = undefined;
  }

  #acceptSync(packet: DataPacket): Reception {
    if (this.#lastSync?.equals(packet.body)) return "repeat";
    this.#lastSync = packet.body;
    this.#expected = ((packet.id & ~syncBit) ^ 1) >>> 0;
    return "session";
  }
}

/** The number of the acknowledgement: a kernel refuses one with the SYNC bit. */
export function acknowledgedId(id: number): number {
  return (id & ~syncBit) >>> 0;
}
