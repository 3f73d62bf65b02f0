import { Opcode, type AnyPdu } from "ts-iscsi-pdu";
import type { Connection } from "./connection.ts";
import type { Pending } from "./pending.ts";

/** Swallows what the target may still have on its way for a request that is over on this side. */
export class Leftover implements Pending {
  itt: number;
  cmdSn: number;
  connection: Connection | undefined;
  readonly immediate: boolean;
  readonly title: string;

  constructor(task: Pending) {
    this.itt = task.itt;
    this.cmdSn = task.cmdSn;
    this.connection = task.connection;
    this.immediate = task.immediate;
    this.title = `given up: ${task.title}`;
  }

  begin(): void {}

  place(): null {
    return null;
  }

  receive(pdu: AnyPdu): boolean {
    return pdu.opcode !== Opcode.R2t && (pdu.opcode !== Opcode.DataIn || pdu.hasStatus);
  }

  fail(): void {}
}
