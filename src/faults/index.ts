/**
 * The fault language: what to match (a PDU, a SCSI command, a login), how often, and what to do to it. A plan is data,
 * read from YAML here; the engine decides from it, with a seed, and does nothing by itself.
 *
 * The target asks the engine at each PDU, command and login and carries out what it says. Adding a fault means a kind
 * of action here and its effect where it happens. Nothing here knows sockets or sessions.
 */
export type { FaultAction, FaultFrequency, FaultMatch, FaultPlan, FaultRule } from "./plan.ts";
export { FaultEngine, type FaultEvent, type Shot } from "./engine.ts";
export { readFaultPlan } from "./schema.ts";
