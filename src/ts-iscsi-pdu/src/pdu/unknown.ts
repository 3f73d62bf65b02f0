import { copyBytes } from "../bytes.ts";
import type { UnknownPduFields } from "../fields.ts";
import { UNKNOWN_OPCODE } from "../opcode.ts";
import { BHS_LENGTH, PduView } from "../view.ts";
import { ahsField } from "../write.ts";

/** A PDU whose opcode RFC 7143 does not define; a target rejects it with reason 0x05 (§11.17.1). */
export class UnknownPduView extends PduView {
  readonly opcode = UNKNOWN_OPCODE;

  toFields(): UnknownPduFields {
    return {
      opcode: this.opcode,
      header: copyBytes(this.bytes, this.offset, this.offset + BHS_LENGTH),
      itt: this.itt,
      dataLength: this.dataLength,
      ...ahsField(this.ahs()),
    };
  }
}
