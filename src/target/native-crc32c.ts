import { setCrc32c } from "ts-iscsi-pdu";

/** The native CRC32C is an optional dependency: where it cannot be loaded, digests are made in JavaScript. */
try {
  const { crc32c } = await import("@node-rs/crc32");
  setCrc32c(crc32c);
} catch {
  setCrc32c();
}
