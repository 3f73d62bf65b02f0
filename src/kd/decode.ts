import type { KdEvent, KdSummary } from "./events.ts";
import { KdLink } from "./link.ts";
import { PacketObserver } from "./packet-observer.ts";
import { TextCollector } from "./text-collector.ts";

/** An event of a recorded line and where in the recording it had come. */
export type DecodedEvent = KdEvent & { readonly offset: number };

/**
 * Decodes a recording of one direction of a line, piece by piece. Nothing is answered, of course; what the two sides
 * had to repeat is recognised and counted.
 */
export class KdDecoder {
  readonly #observer: PacketObserver;
  readonly #text: TextCollector;
  readonly #link: KdLink;
  #offset = 0;

  constructor(tell: (event: DecodedEvent) => void) {
    const tellHere = (event: KdEvent) => tell({ ...event, offset: this.#offset });
    this.#observer = new PacketObserver(tellHere);
    this.#text = new TextCollector((text) => tellHere({ kind: "text", text }));
    this.#link = new KdLink(
      {
        packet: (packet) => {
          this.#text.flush();
          this.#observer.packet(packet);
        },
        session: () => this.#observer.session(),
        text: (bytes) => this.#text.push(bytes),
      },
      { write: () => {}, schedule: () => () => {} },
    );
  }

  push(chunk: Uint8Array): void {
    // In small steps, so that an event's offset is near the end of its packet however large the chunks are.
    for (let at = 0; at < chunk.length; at += stepLength) {
      const step = chunk.subarray(at, at + stepLength);
      this.#offset += step.length;
      this.#link.receive(step);
    }
  }

  /** The recording ends here. */
  end(): KdSummary {
    this.#link.flush();
    this.#text.flush();
    return this.#observer.summary(this.#link.counts);
  }
}

const stepLength = 64;
