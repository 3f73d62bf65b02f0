import path from "node:path";
import { execute, type Finished } from "../../cli/sanlab.ts";

/** Has tshark read what a run captured. Port 3260 is iSCSI, whatever tshark knows the other end's random port for. */
export function tshark(run: string, ...args: readonly string[]): Promise<Finished> {
  return execute("tshark", ["-r", path.join(run, "net.pcap"), "-d", "tcp.port==3260,iscsi", ...args]);
}
