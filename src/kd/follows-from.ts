import { ManipulateApi } from "./manipulate.ts";
import { apiOf } from "./message-api.ts";
import { PacketType, type DataPacket } from "./packet.ts";

interface Message {
  readonly type: number;
  readonly body: Uint8Array;
}

/** Requests that have no reply: what comes next is whatever the kernel does then. */
const withoutReply: ReadonlySet<number> = new Set([
  ManipulateApi.Continue,
  ManipulateApi.Continue2,
  ManipulateApi.Reboot,
  ManipulateApi.CauseBugCheck,
  ManipulateApi.SwitchProcessor,
]);

/**
 * Whether a kernel that sends this packet has taken our message, though its acknowledgement was lost. A stopped kernel
 * answers a request before it says anything else, so another packet has crossed with the request on the line: a kernel
 * that gets a request in place of an acknowledgement throws it away and asks for it again.
 */
export function followsFrom(message: Message, packet: DataPacket): boolean {
  if (message.type !== PacketType.StateManipulate || message.body.length < 4) return true;
  const api = apiOf(Buffer.from(message.body.buffer, message.body.byteOffset, message.body.byteLength));
  if (withoutReply.has(api)) return packet.type !== PacketType.StateManipulate;
  return packet.type === PacketType.StateManipulate && packet.body.length >= 4 && apiOf(packet.body) === api;
}
