import * as fc from "fast-check";
import {
  FIELD_TABLES,
  Opcode,
  viewPdu,
  writeField,
  type AhsSegment,
  type Field,
  type FieldValue,
  type PduFields,
} from "../src/index.ts";

/** A value that a field can hold, with the corners that matter to tags and serial numbers. */
export function fieldValue(field: Field): fc.Arbitrary<FieldValue> {
  if (field.kind === "flag") return fc.boolean();
  if (field.kind === "bytes")
    return fc.uint8Array({ minLength: field.width / 8, maxLength: field.width / 8 });
  if (field.kind === "lun") {
    return fc.oneof(
      fc.nat(255),
      fc.nat(0x3fff),
      fc.nat(0xff_ffff),
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
    );
  }
  const max = 2 ** field.width - 1;
  return fc.oneof(fc.integer({ min: 0, max }), fc.constantFrom(0, 1, max, Math.floor(max / 2), max - 1));
}

/** A header in which every field of the table has an arbitrary value; reserved bits are clear. */
export function header(opcode: Opcode): fc.Arbitrary<Uint8Array> {
  const fields = FIELD_TABLES[opcode].filter(
    ({ name }) => name !== "opcodeByte" && name !== "totalAhsLength",
  );
  return fc.tuple(...fields.map(fieldValue)).map((values) => {
    const bytes = new Uint8Array(48);
    bytes[0] = opcode;
    fields.forEach((field, index) => {
      writeField(bytes, field, values[index]!);
    });
    return bytes;
  });
}

export const anyOpcode: fc.Arbitrary<Opcode> = fc.constantFrom(...Object.values(Opcode));

export const anyHeader: fc.Arbitrary<Uint8Array> = anyOpcode.chain(header);

export const ahsSegment: fc.Arbitrary<AhsSegment> = fc.record({
  type: fc.nat(63),
  specific: fc.uint8Array({ maxLength: 40 }),
});

/** Fields of any PDU, some with additional header segments, and their data. */
export const anyPdu: fc.Arbitrary<readonly [fields: PduFields, data: Uint8Array]> = fc
  .tuple(anyHeader, fc.array(ahsSegment, { maxLength: 3 }), fc.uint8Array({ maxLength: 300 }))
  .map(([bytes, ahs, data]) => {
    const fields = { ...viewPdu(bytes).toFields(), dataLength: data.length };
    return [
      ahs.length === 0 || fields.opcode === Opcode.ScsiCommand ? fields : { ...fields, ahs },
      data,
    ] as const;
  });
