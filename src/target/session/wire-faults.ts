import type { FaultAction, Shot } from "#faults";
import {
  BHS_LENGTH,
  LoginStage,
  ProtocolError,
  findField,
  isOpcode,
  opcodeName,
  parseTextKeys,
  readField,
  viewPdu,
  writeField,
  type AnyPdu,
  type LoginRequestView,
  type PduInit,
} from "ts-iscsi-pdu";
import type { Refusal } from "../login/login-machine.ts";
import type { Connection } from "./connection.ts";

interface LoginOutcome {
  readonly proceed: (request: LoginRequestView) => void;
  readonly refuse: (request: LoginRequestView, refusal: Refusal) => void;
}

/** Holds back one direction of a connection and what follows, in order. */
class Gate {
  #held: (() => void)[] | undefined;

  get open(): boolean {
    return this.#held === undefined;
  }

  /** Runs `work` when the gate is open, behind everything that waits already. */
  pass(work: () => void): void {
    if (this.#held === undefined) work();
    else this.#held.push(work);
  }

  /** Closes the gate in front of `work`, for ever without a time. */
  hold(work: () => void, milliseconds?: number): void {
    this.#held = [work];
    if (milliseconds !== undefined) setTimeout(() => this.#release(), milliseconds).unref();
  }

  #release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const [index, work] of held.entries()) {
      work();
      // What was let through may have closed the gate again, in front of the rest.
      if (!this.open) {
        for (const rest of held.slice(index + 1)) this.pass(rest);
        return;
      }
    }
  }
}

/** Carries out faults on the PDUs of one connection, both ways. */
export class WireFaults {
  readonly #connection: Connection;
  readonly #in = new Gate();
  readonly #out = new Gate();
  #later: { pieces: readonly Uint8Array[]; after: number }[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Nothing is held back, so PDUs may take the short way. */
  get idle(): boolean {
    return this.#in.open && this.#out.open && this.#later.length === 0;
  }

  send(pdu: PduInit, data?: Uint8Array): void {
    this.#out.pass(() => this.#send(pdu, data));
  }

  receive(pdu: AnyPdu, deliver: (pdu: AnyPdu) => void): void {
    // The view ends with the framer's call, and the delivery may come later.
    const kept = pdu.copy();
    this.#in.pass(() => this.#receive(kept, deliver));
  }

  login(request: LoginRequestView, data: Uint8Array, { proceed, refuse }: LoginOutcome): void {
    const shot = this.#connection.fault({
      point: "login",
      stage: request.csg === LoginStage.SecurityNegotiation ? "security" : "operational",
      keys: keysOf(data),
    });
    if (shot === undefined) {
      proceed(request);
      return;
    }
    const { action } = shot;
    const kept = request.copy();
    if (action.kind === "refuse")
      refuse(kept, { status: (action.class << 8) | action.detail, why: `fault ${shot.rule}` });
    else if (action.kind === "redirect")
      refuse(kept, {
        status: action.permanent ? 0x0102 : 0x0101,
        why: `fault ${shot.rule}`,
        targetAddress: action.address,
      });
    else if (action.kind === "delay") this.#in.hold(() => proceed(kept), action.milliseconds);
    else if (action.kind === "stall") this.#in.hold(() => proceed(kept));
    else if (action.kind !== "drop" && !this.#connection.applyAnywhere(action)) proceed(kept);
  }

  #send(pdu: PduInit, data: Uint8Array | undefined): void {
    const { outbox } = this.#connection;
    const head = outbox.encode(pdu, data)[0]?.subarray(0, BHS_LENGTH) ?? new Uint8Array(BHS_LENGTH);
    const shot = this.#shotAt(viewPdu(head));
    if (shot === undefined) {
      this.#write(outbox.encode(pdu, data));
      return;
    }
    const { action } = shot;
    if (action.kind === "drop") return;
    const pieces = outbox.encode(pdu, data, patchOf(action));
    if (action.kind === "delay") this.#out.hold(() => this.#write(pieces), action.milliseconds);
    else if (action.kind === "stall") this.#out.hold(() => this.#write(pieces));
    else if (action.kind === "reorder") this.#later.push({ pieces, after: action.by });
    else if (action.kind === "truncate") {
      this.#write([Buffer.concat(pieces).subarray(0, action.bytes)]);
      this.#connection.end("fault");
    } else if (action.kind === "flip") this.#write(flip(pieces, action, shot));
    else if (!this.#connection.applyAnywhere(action)) this.#write(pieces);
  }

  #receive(pdu: AnyPdu, deliver: (pdu: AnyPdu) => void): void {
    const shot = this.#shotAt(pdu);
    if (shot === undefined) {
      deliver(pdu);
      return;
    }
    const { action } = shot;
    if (action.kind === "drop") return;
    if (action.kind === "delay") this.#in.hold(() => deliver(pdu), action.milliseconds);
    else if (action.kind === "stall") this.#in.hold(() => deliver(pdu));
    else if (action.kind === "reject")
      this.#connection.reject(action.reason, pdu.headerBytes, `fault ${shot.rule}`);
    else {
      patchOf(action)?.(pdu.headerBytes);
      if (!this.#connection.applyAnywhere(action)) deliver(pdu);
    }
  }

  #shotAt(pdu: AnyPdu): Shot | undefined {
    const field = (name: string) => {
      const place = isOpcode(pdu.opcode) ? findField(pdu.opcode, name) : undefined;
      const value = place === undefined ? undefined : readField(pdu.bytes, place, pdu.offset);
      return typeof value === "object" ? undefined : Number(value);
    };
    return this.#connection.fault({ point: "pdu", pdu: opcodeName(pdu.opcodeByte) ?? "", field });
  }

  /** Writes a PDU, and after it those that were to come so much later. */
  #write(pieces: readonly Uint8Array[]): void {
    this.#connection.outbox.write(pieces);
    for (const entry of this.#later) entry.after -= 1;
    const due = this.#later.filter((entry) => entry.after <= 0);
    this.#later = this.#later.filter((entry) => entry.after > 0);
    for (const entry of due) this.#connection.outbox.write(entry.pieces);
  }
}

/** A shot as an event tells it. */
export function describeShot({
  rule,
  shot,
  action: { kind: action, ...details },
}: Shot): Readonly<Record<string, unknown>> {
  return { rule, shot, action, ...details };
}

function patchOf(action: FaultAction): ((header: Uint8Array) => void) | undefined {
  if (action.kind !== "set") return undefined;
  return (header) => {
    const { opcode } = viewPdu(header);
    const field = isOpcode(opcode) ? findField(opcode, action.field) : undefined;
    if (field !== undefined) writeField(header, field, action.value);
  };
}

/** Turns bits over in a copy: in the BHS, in the data, or in the last digest that there is. */
function flip(
  pieces: readonly Uint8Array[],
  action: Extract<FaultAction, { kind: "flip" }>,
  { random }: Shot,
): readonly Uint8Array[] {
  const copies = pieces.map((piece) => Uint8Array.from(piece));
  const [head, data] = copies;
  const last = copies.at(-1);
  const where =
    action.where === "header"
      ? head?.subarray(0, BHS_LENGTH)
      : action.where === "data"
        ? data
        : last?.subarray(-4);
  if (where === undefined) return copies;
  for (let i = 0; i < action.bits; i++) {
    const at = random.below(where.length);
    where[at] = (where[at] ?? 0) ^ (1 << random.below(8));
  }
  return copies;
}

function keysOf(data: Uint8Array): readonly string[] {
  try {
    return parseTextKeys(data).map(([key]) => key);
  } catch (error) {
    if (error instanceof ProtocolError) return [];
    throw error;
  }
}
