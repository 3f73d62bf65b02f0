/**
 * Renderings of a verdict: for the terminal now. A rendering adds nothing and decides nothing; what it shows is in the
 * verdict and the timeline.
 */
export { painter, renderPhase, renderVerdict, type Paint } from "./terminal.ts";
