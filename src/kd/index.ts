/**
 * The kernel debugger's end of a Windows guest's serial port (KDCOM): packets with acknowledgements and repeats, what
 * a kernel tells and can be asked, and a host that keeps it going while it boots.
 *
 * `KdHost` lives on any Duplex: a VM's serial port, a socket, a serial device. `KdDecoder` reads recordings. Both tell the
 * same events, which `KdTranscript` writes as WinDbg would and `readBootLog` turns into facts. Used by the
 * command line and by the observers of a boot.
 *
 * It never opens a port, never sends to a guest that has not spoken unless told to break in, and never acts on a
 * layout that does not fit: what x64 kernels send is known from headers only.
 */
export { BootLogReader, readBootLog, type BootFact, type BootLog, type BootSection } from "./boot-log.ts";
export { KdDecoder, type DecodedEvent } from "./decode.ts";
export { KdError } from "./errors.ts";
export type {
  BugcheckEvent,
  KdEvent,
  KdSummary,
  KernelEvent,
  LostEvent,
  StopEvent,
  StopReason,
  VersionEvent,
} from "./events.ts";
export { KdHost, type KdHostOptions } from "./host.ts";
export {
  readBugcheck,
  readDebuggerData,
  readModules,
  readProcesses,
  type BugcheckData,
  type DebuggerData,
  type KernelModule,
} from "./kernel-memory.ts";
export { bugcheckName } from "./bugcheck-names.ts";
export { LineJoiner } from "./line-joiner.ts";
export { StoppedKernel } from "./stopped-kernel.ts";
export { statusName } from "./status-names.ts";
export { KdTranscript } from "./transcript.ts";
export type { KdVersion } from "./version.ts";
