/**
 * The iSCSI initiator, in user space and by itself: sessions that log in, execute SCSI commands, recover and log out
 * (RFC 7143), and an iSCSI disk as a block device.
 *
 * The boot's pre-flight check, the emulated firmware, the `sanlab iscsi` commands and other programs use it. It holds
 * the target to the specification and says which section was broken; it prints nothing and stores nothing.
 */
export type { ByteTrace, ConnectionEnds } from "./byte-trace.ts";
export { chapAlgorithms, type ChapAlgorithm, type ChapCredentials, type ChapOptions } from "./chap.ts";
export type { DiskIdentity } from "./disk-identity.ts";
export { discover, type DiscoveredPortal, type DiscoveredTarget } from "./discovery.ts";
export {
  LoginError,
  PeerProtocolError,
  ScsiError,
  TargetFailure,
  TransportError,
  UrlError,
} from "./errors.ts";
export { generateLoad, type LoadOptions, type LoadPattern, type LoadResult } from "./load-generator.ts";
export { LogicalUnit, isIllegalRequest, type CommandIo, type Executor } from "./logical-unit.ts";
export { normalName } from "./names.ts";
export type { LogoutResult, TmfOptions, TmfResult } from "./requests.ts";
export type { Residual, ScsiCommand, ScsiResult } from "./scsi-command.ts";
export { ScsiDisk } from "./scsi-disk.ts";
export { Session } from "./session.ts";
export type { SessionState } from "./session-core.ts";
export type { DiscoveryOptions, RecoveryOptions, SessionOptions } from "./session-options.ts";
export {
  defaultPort,
  formatIscsiUrl,
  formatPortal,
  parseIscsiUrl,
  parsePortal,
  type IscsiUrl,
  type Portal,
} from "./url.ts";
