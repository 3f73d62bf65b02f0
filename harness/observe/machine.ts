import type { Report } from "#core";
import type { Timeline } from "./timeline.ts";

/** A `Report` for `launchMachine`: lines of serial ports become `serial` `line` {port, line}, the rest `machine` events. */
export function machineReporter(timeline: Timeline): Report {
  return (kind, data) => {
    if (kind === "serial") timeline.append("serial", "line", data);
    else timeline.append("machine", kind, data);
  };
}
