/**
 * What goes over a wire, read and written. `WireObserver` watches a capture while it grows and tells the facts that a
 * boot's verdict rests on; `PcapReader` and `Frame` are its lower parts. `PcapngWriter` and `SessionTrace` write the
 * PDUs of a connection so that Wireshark decodes them.
 *
 * Used by the observers of a boot, by `sanlab diagnose`, and for `--trace` by initiator and target. Bytes in, facts
 * out: nothing here opens a file or a socket, keeps a time of its own, or trusts the bytes.
 */
export { PcapReader, type CapturedPacket } from "./pcap-reader.ts";
export { EtherType, Frame, IpProtocol, TcpFlag } from "./frame.ts";
export { WireObserver, type WireObserverOptions } from "./wire-observer.ts";
export type { WireReport } from "./wire-report.ts";
export { PcapngWriter, type PacketOptions, type PcapngWriterOptions } from "./pcapng-writer.ts";
export { SessionTrace, type Endpoint, type SessionTraceOptions } from "./session-trace.ts";
export { SessionTraces, type ConnectionEnds } from "./session-traces.ts";
