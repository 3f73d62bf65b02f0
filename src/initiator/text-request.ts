import {
  KeyNegotiation,
  operationalKeys,
  Opcode,
  RESERVED_TAG,
  splitText,
  TextReassembler,
  textValue,
  writeTextKeys,
  type AnyPdu,
  type TextKey,
} from "ts-iscsi-pdu";
import type { Connection } from "./connection.ts";
import { violation } from "./errors.ts";
import type { Pending } from "./pending.ts";

/** A SendTargets answer may be long; this is some ten thousand targets. */
const maxAnswer = 4 * 1024 * 1024;
/** What a target tells of itself (RFC 7143 §4.3); it is no offer. */
const descriptions = new Set(["TargetName", "TargetAddress", "TargetAlias", "TargetPortalGroupTag"]);
const segmentLength = "MaxRecvDataSegmentLength";

/**
 * A text exchange in full feature phase (RFC 7143 §11.10, §11.11): keys out, keys back, either side in as many PDUs as
 * the text needs. What the target offers on its part is answered, and a segment length that a side declares holds from
 * then on. Resolves with the target's keys in their order.
 */
export class TextRequest implements Pending {
  itt = 0;
  cmdSn = 0;
  connection: Connection | undefined;
  readonly immediate = true;
  readonly title = "Text Request";
  readonly result = Promise.withResolvers<readonly TextKey[]>();
  readonly #over = Promise.withResolvers<void>();
  readonly #keys: readonly TextKey[];
  readonly #negotiation = new KeyNegotiation({ wishes: {}, sessionType: "Normal", phase: "full-feature" });
  readonly #answer = new TextReassembler({ maxLength: maxAnswer });
  readonly #received: TextKey[] = [];
  #pieces: Uint8Array[] = [];
  #ttt = RESERVED_TAG;
  #rounds = 0;

  constructor(keys: readonly TextKey[]) {
    this.#keys = keys;
  }

  /** Resolves when the exchange has ended, however that was. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  begin(): void {
    const declared = operationalKeys[segmentLength].parse(textValue(this.#keys, segmentLength) ?? "");
    if (declared !== undefined) this.connection?.acceptUpTo(declared);
    this.#pieces = this.#split(this.#keys);
    this.#send();
  }

  place(): null {
    return null;
  }

  receive(pdu: AnyPdu, data: Uint8Array): boolean {
    if (pdu.opcode !== Opcode.TextResponse) {
      throw violation("11.2.1.8", "Opcode", pdu.opcodeByte, "no answer to a Text Request");
    }
    if (pdu.continues && pdu.final) throw violation("11.11.2", "C", 1, "C and F are set together");
    if (pdu.final !== (pdu.ttt === RESERVED_TAG)) {
      throw violation(
        "11.11.4",
        "Target Transfer Tag",
        pdu.ttt,
        "a valid tag goes with F=0 and only with it",
      );
    }
    this.#ttt = pdu.ttt;
    const keys = this.#answer.add(data, pdu.continues) ?? [];
    this.#received.push(...keys);
    const replies = this.#take(keys);
    if (pdu.final) {
      if (this.#pieces.length > 0) throw violation("11.11.1", "F", 1, "an answer to a request that goes on");
      this.result.resolve(this.#received);
      this.#over.resolve();
      return true;
    }
    if (replies.length > 0) this.#pieces.push(...this.#split(replies));
    if (++this.#rounds > 100_000) throw violation("11.11", "F", 0, "a text exchange without an end");
    this.#send();
    return false;
  }

  fail(error: Error): void {
    this.result.reject(error);
    this.#over.resolve();
  }

  /** What the target says that is no answer to a key of this side; gives what must be said to it. */
  #take(keys: readonly TextKey[]): readonly TextKey[] {
    const replies: TextKey[] = [];
    for (const [name, value] of keys) {
      const answer = name !== segmentLength && this.#keys.some(([own]) => own === name);
      if (answer || descriptions.has(name)) continue;
      const reply = this.#negotiation.receive(name, value);
      if (reply !== undefined) replies.push([name, reply]);
      else if (name === segmentLength) this.connection?.limitSends(this.#negotiation.results[segmentLength]);
    }
    return replies;
  }

  #split(keys: readonly TextKey[]): Uint8Array[] {
    return splitText(writeTextKeys(keys), this.connection?.maxSendLength ?? 8192);
  }

  #send(): void {
    const { connection, itt, cmdSn } = this;
    if (connection === undefined) return;
    const piece = this.#pieces.shift();
    const continues = this.#pieces.length > 0;
    connection.send(
      {
        opcode: Opcode.TextRequest,
        immediate: true,
        final: !continues,
        continues,
        itt,
        ttt: this.#ttt,
        cmdSn,
        expStatSn: connection.expStatSn,
      },
      piece,
    );
  }
}
