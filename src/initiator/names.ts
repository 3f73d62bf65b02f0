import { UsageError } from "#core";

/**
 * Checks an iSCSI name and gives its normal form (RFC 7143 §4.2.7): `iqn.` with a date and a naming authority, `eui.`
 * with 16 and `naa.` with 16 or 32 hexadecimal digits; at most 223 bytes; lower case, Unicode normal form KC.
 * @throws UsageError BAD_NAME that shows the name and a good example.
 */
export function normalName(name: string, whose: "initiator" | "target"): string {
  const normal = name.normalize("NFKC").toLowerCase();
  if (Buffer.byteLength(normal) <= 223 && forms.some((form) => form.test(normal))) return normal;
  throw new UsageError(
    "BAD_NAME",
    `${JSON.stringify(name)} is not an iSCSI ${whose} name; write one like iqn.2001-04.com.example:storage.disk1`,
  );
}

/** §4.2.7.2 allows letters, digits, "-", ".", ":" and what other scripts have; storage in the field has "_" too. */
const forms = [
  /^iqn\.\d{4}-(?:0[1-9]|1[0-2])\.[a-z0-9][a-z0-9.-]*(?::[a-z0-9.:_\-\u0080-\u{10ffff}]+)?$/u,
  /^eui\.[0-9a-f]{16}$/,
  /^naa\.(?:[0-9a-f]{16}|[0-9a-f]{32})$/,
];
