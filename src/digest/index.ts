/**
 * CRC32C by the fastest code that this machine has, for the digests of iSCSI. Initiator and target use it; the package
 * ts-iscsi-pdu has the JavaScript that stands in where there is no native code. Nothing is loaded before it is asked for.
 */
export { crc32c, crc32cProvider, type Crc32cProvider } from "./crc32c.ts";
