import { SanlabError } from "#core";

/**
 * A request to a stopped kernel came to nothing. Codes: `KD_NO_REPLY` (nothing came in time), `KD_REFUSED` (the
 * kernel answered with the failed status in `details.status`), `KD_RESET` (the kernel began anew), `KD_CLOSED` (the line
 * ended), `KD_RUNNING` (the kernel is not stopped), `KD_MISFIT` (an answer does not have the layout known here).
 */
export class KdError extends SanlabError {}
