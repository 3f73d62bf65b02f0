import { Opcode, RESERVED_TAG, type AnyPdu, type DataOutView } from "ts-iscsi-pdu";
import type { Burst } from "./burst.ts";
import type { Session } from "./session.ts";

/** A Data-Out whose header is in: the sequence it belongs to, and what is wrong with it. */
export interface Incoming {
  readonly burst: Burst;
  readonly problem: string | undefined;
}

/** Finds for each Data-Out of a connection the sequence that it belongs to, before its data comes. */
export class DataOutIntake {
  #incoming: Incoming | undefined;

  /** Where the data of a PDU belongs; null for a buffer of its own. */
  destination(session: Session | undefined, pdu: AnyPdu): Uint8Array | null {
    if (pdu.opcode !== Opcode.DataOut || session === undefined) return null;
    const burst = find(session, pdu);
    if (burst === undefined) {
      this.#incoming = undefined;
      return null;
    }
    const problem = burst.problem(pdu, pdu.ttt !== RESERVED_TAG);
    this.#incoming = { burst, problem };
    return problem === undefined ? burst.destination(pdu) : null;
  }

  /** What `destination` found for the PDU that is whole now. */
  take(): Incoming | undefined {
    const incoming = this.#incoming;
    this.#incoming = undefined;
    return incoming;
  }
}

function find(session: Session, pdu: DataOutView): Burst | undefined {
  if (pdu.ttt !== RESERVED_TAG) return session.burst(pdu.ttt, pdu.itt);
  const burst = session.tasks.get(pdu.itt)?.unsolicited;
  // What comes after a sequence was given up is asked for anew already.
  return burst?.ended === true && session.recovery !== undefined ? undefined : burst;
}
