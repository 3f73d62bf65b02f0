import { KdError } from "./errors.ts";
import type { KdLink } from "./link.ts";
import {
  ManipulateApi,
  apiName,
  encodeRequest,
  readManipulate,
  type ManipulateMessage,
  type ManipulateRequest,
} from "./manipulate.ts";
import { PacketType } from "./packet.ts";
import type { Delivery, Schedule } from "./sender.ts";

interface Pending {
  readonly request: ManipulateRequest;
  readonly resolve: (reply: ManipulateMessage) => void;
  readonly reject: (error: KdError) => void;
}

/** Asks a stopped kernel, one request after the other, and finds the replies among what it sends. */
export class Requests {
  readonly #link: KdLink;
  readonly #schedule: Schedule;
  readonly #replyMs: number;
  #pending: Pending | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(link: KdLink, schedule: Schedule, replyMs: number) {
    this.#link = link;
    this.#schedule = schedule;
    this.#replyMs = replyMs;
  }

  /**
   * Sends a request when those before it have ended, and waits for its reply, whatever status that has. Throws KdError;
   * that of `over`, if by then there is one.
   */
  async ask(request: ManipulateRequest, over: () => KdError | undefined): Promise<ManipulateMessage> {
    const turn = this.#last.then(() => {
      const why = over();
      if (why !== undefined) throw why;
      return this.#exchange(request);
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Sends a request that has no reply, such as Continue. */
  async tell(request: ManipulateRequest): Promise<Delivery> {
    return new Promise((resolve) =>
      this.#link.send(PacketType.StateManipulate, encodeRequest(request), resolve),
    );
  }

  /** A STATE_MANIPULATE packet has come; one that nobody waits for is an answer that came too late. */
  receive(body: Buffer): void {
    const message = readManipulate(body);
    if (message === undefined || this.#pending === undefined) return;
    if (answers(message, this.#pending.request)) this.#pending.resolve(message);
  }

  /** No reply will come any more. */
  abandon(error: KdError): void {
    this.#pending?.reject(error);
  }

  async #exchange(request: ManipulateRequest): Promise<ManipulateMessage> {
    const name = apiName(request.api);
    const { promise, resolve, reject } = Promise.withResolvers<ManipulateMessage>();
    this.#pending = { request, resolve, reject };
    const stop = this.#schedule(this.#replyMs, () =>
      reject(new KdError("KD_NO_REPLY", `the kernel did not answer ${name} within ${this.#replyMs} ms`)),
    );
    this.#link.send(PacketType.StateManipulate, encodeRequest(request), (delivery) => {
      if (delivery === "reset")
        reject(new KdError("KD_RESET", `the kernel began anew before it answered ${name}`));
    });
    try {
      return await promise;
    } finally {
      stop();
      this.#pending = undefined;
    }
  }
}

/**
 * A read that was given up may still be answered, so a reply that repeats an address must repeat that of its request: the
 * low half of it, which no kernel extends.
 */
function answers(message: ManipulateMessage, { api, parameters }: ManipulateRequest): boolean {
  if (message.api !== api) return false;
  if (parameters === undefined || !namesAddress.has(api)) return true;
  return message.parameters.subarray(0, 4).equals(parameters.subarray(0, 4));
}

const namesAddress: ReadonlySet<number> = new Set([
  ManipulateApi.ReadVirtualMemory,
  ManipulateApi.ReadPhysicalMemory,
]);
