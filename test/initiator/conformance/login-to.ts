import { Session, type SessionOptions } from "#initiator";
import { op } from "../peers/raw-pdu.ts";
import type { RawPdu } from "../peers/scripted.ts";

/** A session with a scripted target that neither comes back nor pings by itself. */
export const loginTo = async (
  { port }: { readonly port: number },
  options: Partial<SessionOptions> = {},
): Promise<Session> =>
  await Session.login({
    host: "127.0.0.1",
    port,
    target: "iqn.2001-04.com.example:scripted",
    initiator: "iqn.2001-04.com.example:initiator",
    recovery: { attempts: 0 },
    keepaliveMs: 0,
    ...options,
  });

export const blocks = (count: number): Buffer => Buffer.from(`2800000000000000${hex(count)}00`, "hex");
export const writing = (count: number): Buffer => Buffer.from(`2a00000000000000${hex(count)}00`, "hex");
export const testUnitReady: Buffer = Buffer.alloc(6);
export const run = { lun: 0, cdb: testUnitReady };

/** Recovery that does not wait. */
export const comesBack = { attempts: 3, firstDelayMs: 1, longestDelayMs: 1 };
export const isCommand = ({ bhs }: RawPdu): boolean => bhs[0] === op.command;

const hex = (count: number) => count.toString(16).padStart(2, "0");

/** Bytes that differ from their neighbours and repeat late. */
export const pattern = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
