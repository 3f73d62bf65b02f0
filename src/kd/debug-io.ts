import { apiOf } from "./message-api.ts";

const printApi = 0x3230;
const promptApi = 0x3231;
const headerLength = 16;

/** What the kernel prints, or asks the debugger's user. Text is 8-bit, one DbgPrint a message, whole lines or not. */
export type DebugIo =
  | { readonly kind: "print"; readonly text: string }
  | { readonly kind: "prompt"; readonly text: string; readonly room: number; readonly header: Buffer };

/**
 * Reads the body of a DEBUG_IO packet: api (4), processor level (2), processor (2), text length (4), room for the
 * answer (4), the text. A length beyond the body is cut to it. Undefined for an api that is not known.
 */
export function readDebugIo(body: Buffer): DebugIo | undefined {
  if (body.length < headerLength) return undefined;
  const text = body.toString("latin1", headerLength, headerLength + body.readUInt32LE(8));
  if (apiOf(body) === printApi) return { kind: "print", text };
  if (apiOf(body) !== promptApi) return undefined;
  return { kind: "prompt", text, room: body.readUInt32LE(12), header: body.subarray(0, headerLength) };
}

/** The body that answers a prompt: the prompt's own header with the answer's length at 12, then the answer. */
export function answerPrompt(
  prompt: { readonly header: Buffer; readonly room: number },
  answer: string,
): Buffer {
  const text = Buffer.from(answer, "latin1").subarray(0, prompt.room);
  const body = Buffer.concat([prompt.header, text]);
  body.writeUInt32LE(text.length, 12);
  return body;
}
