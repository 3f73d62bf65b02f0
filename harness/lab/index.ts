/**
 * Owns everything of a run and takes it down: the run folder, whatever was opened for the run (in reverse order, also
 * when it is interrupted), and the words for what this machine lacks or has run out of.
 *
 * `Lab` is what a scenario's runner works in; `Interruption` turns the signals by which people stop a program into one
 * AbortSignal; `diagnoseMachine` is the knowledge behind `sanlab doctor`. Used by the runner and by the command line.
 *
 * Never done here: starting machines or servers, and saying how a boot went.
 */
export { Lab, type LabOptions } from "./lab.ts";
export { openRunFolder, type RunFolderOptions } from "./run-folder.ts";
export { Interruption, type InterruptionOptions } from "./interruption.ts";
export { freePort } from "./free-port.ts";
export { requireDiskSpace } from "./disk-space.ts";
export { writeJson, type WriteJsonOptions } from "./write-json.ts";
export { diagnoseMachine, type Check, type CheckStatus } from "./doctor.ts";
export { romImages, type RomImageKind } from "./rom-images.ts";
