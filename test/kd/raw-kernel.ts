import { once } from "node:events";
import { duplexPair } from "node:stream";
import { KdHost, type KdEvent } from "#kd";
import type { KdHostOptions } from "../../src/kd/host.ts";
import { ack, data } from "./frames.ts";

/** What the debugger has sent, frame by frame. */
export type Frame =
  | { readonly kind: "byte"; readonly value: number }
  | { readonly kind: "ack" | "resend" | "reset"; readonly id: number }
  | { readonly kind: "data"; readonly type: number; readonly id: number; readonly body: Buffer };

const controls = { 4: "ack", 5: "resend", 6: "reset" } as const;

/** The kernel's end of a line played by hand: the test says each byte, and sees each frame that the host sends. */
export function rawKernel(options: KdHostOptions = {}) {
  const [debuggerEnd, line] = duplexPair();
  const events: KdEvent[] = [];
  const host = new KdHost(debuggerEnd, { ...options, onEvent: (event) => events.push(event) });
  let bytes = Buffer.alloc(0);
  line.on("data", (chunk: Buffer) => (bytes = Buffer.concat([bytes, chunk])));
  line.on("error", () => {});

  const take = (): Frame | undefined => {
    const leader = bytes[0];
    if (leader === undefined) return undefined;
    if (leader !== 0x30 && leader !== 0x69) {
      bytes = bytes.subarray(1);
      return { kind: "byte", value: leader };
    }
    if (bytes.length < 16) return undefined;
    const [type, id] = [bytes.readUInt16LE(4), bytes.readUInt32LE(8)];
    if (leader === 0x69) {
      bytes = bytes.subarray(16);
      return { kind: controls[type as keyof typeof controls], id };
    }
    const end = 16 + bytes.readUInt16LE(6);
    if (bytes.length < end + 1) return undefined;
    const body = Buffer.from(bytes.subarray(16, end));
    bytes = bytes.subarray(end + 1);
    return { kind: "data", type, id, body };
  };
  /** The next frame of the host, when it comes. */
  const frame = async (): Promise<Frame> => {
    for (;;) {
      const next = take();
      if (next !== undefined) return next;
      await once(line, "data");
    }
  };
  const send = (...frames: readonly Uint8Array[]) => void line.write(Buffer.concat(frames));
  /** The host's next request, acknowledged. */
  const request = async (): Promise<Buffer> => {
    for (;;) {
      const next = await frame();
      if (next.kind !== "data") continue;
      send(ack(next.id));
      return next.body;
    }
  };
  return {
    host,
    events,
    line,
    send,
    frame,
    request,
    /** Frames that are there without waiting for any. */
    rest: () => {
      const frames: Frame[] = [];
      for (let next = take(); next !== undefined; next = take()) frames.push(next);
      return frames;
    },
    told: <K extends KdEvent["kind"]>(kind: K) =>
      events.filter((event): event is Extract<KdEvent, { kind: K }> => event.kind === kind),
  };
}

/** A reply to a request: its header with another status, the union, the data. */
export function reply(
  id: number,
  request: Buffer,
  fields: { readonly status?: number; readonly union?: Uint8Array; readonly data?: Uint8Array } = {},
): Buffer {
  const body = Buffer.from(request.subarray(0, 56));
  body.writeUInt32LE(fields.status ?? 0, 8);
  body.set(fields.union ?? [], 16);
  return data(2, id, Buffer.concat([body, fields.data ?? Buffer.alloc(0)]));
}
