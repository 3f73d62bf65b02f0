import {
  KeyNegotiation,
  Opcode,
  ProtocolError,
  RESERVED_TAG,
  TextReassembler,
  writeTextKeys,
  type TextKey,
  type TextRequestView,
} from "ts-iscsi-pdu";
import type { Connection } from "./connection.ts";
import type { Session } from "./session.ts";

/** The text exchange of one connection: what has come of a request, and what is left of an answer. */
interface Exchange {
  readonly text: TextReassembler;
  rest: Uint8Array | undefined;
  ttt: number;
}

const exchanges = new WeakMap<Connection, Exchange>();
const maxText = 16_384;

/** Answers SendTargets and the keys that may be negotiated in full feature phase (RFC 7143, section 11.10). */
export function answerText(
  connection: Connection,
  session: Session,
  request: TextRequestView,
  data: Uint8Array,
): void {
  let exchange = exchanges.get(connection);
  if (exchange === undefined)
    exchanges.set(
      connection,
      (exchange = { text: new TextReassembler({ maxLength: maxText }), rest: undefined, ttt: 0 }),
    );
  // An empty request with the tag of the last response asks for the rest of a long answer.
  if (request.ttt !== RESERVED_TAG && request.ttt === exchange.ttt && exchange.rest !== undefined) {
    send(connection, request, exchange, exchange.rest);
    return;
  }
  let text: Uint8Array | undefined;
  try {
    const pairs = exchange.text.add(data, request.continues);
    text = pairs && writeTextKeys(answers(connection, session, pairs));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    connection.reject(0x04, request.headerBytes, error.message);
    return;
  }
  if (text === undefined) {
    exchange.ttt += 1;
    connection.sendStatus({ opcode: Opcode.TextResponse, itt: request.itt, final: false, ttt: exchange.ttt });
    return;
  }
  send(connection, request, exchange, text);
}

function send(connection: Connection, request: TextRequestView, exchange: Exchange, text: Uint8Array): void {
  const room = connection.maxSendSegment;
  const whole = text.length <= room;
  exchange.rest = whole ? undefined : text.subarray(room);
  if (!whole) exchange.ttt += 1;
  connection.sendStatus(
    {
      opcode: Opcode.TextResponse,
      itt: request.itt,
      final: whole,
      continues: !whole,
      ttt: whole ? RESERVED_TAG : exchange.ttt,
    },
    text.subarray(0, room),
  );
}

function answers(connection: Connection, session: Session, pairs: readonly TextKey[]): readonly TextKey[] {
  const out: TextKey[] = [];
  const negotiation = new KeyNegotiation({ wishes: {}, sessionType: session.type, phase: "full-feature" });
  for (const [key, value] of pairs) {
    if (key === "SendTargets") out.push(...session.sendTargets(connection, value));
    else {
      const answer = negotiation.receive(key, value);
      if (answer !== undefined) out.push([key, answer]);
      if (key === "MaxRecvDataSegmentLength")
        connection.maxSendSegment = negotiation.results.MaxRecvDataSegmentLength;
    }
  }
  return out;
}
