/**
 * What a run sees. Every source (wire, serial port, screen, guest memory, target, boot services, machine) appends
 * observations to one ordered timeline, which is kept on disk as it grows; steps of a run wait on it, and verdict and
 * report are made from it alone, also long after the run.
 *
 * Nothing here judges: an observation says what was seen, never what it means.
 */
export type { Observation, Source } from "./observation.ts";
export { Timeline } from "./timeline.ts";
export { inOrder, readTimeline } from "./read-timeline.ts";
export { watchScreen } from "./screen.ts";
export { watchWire, type WireWatch } from "./wire.ts";
export { watchMemory, type MemoryWatch } from "./memory.ts";
export { machineReporter } from "./machine.ts";
export { KdObserver } from "./kd-observer.ts";
export { watchKd, type KdWatch } from "./kd.ts";
export { readEmsLine, watchEms } from "./ems.ts";
export { watchPicture } from "./picture.ts";
export { watchSettled } from "./settled.ts";
export { probePorts, type ProbedPort } from "./tcp-probe.ts";
