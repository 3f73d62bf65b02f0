/**
 * What every floor above may rely on: errors with stable codes, the run's clock, seeded randomness.
 *
 * Everything here is small, pure and free of the project's own subject; it imports nothing.
 */
export {
  LabError,
  SanlabError,
  TimeoutError,
  UsageError,
  errorCode,
  errorMessage,
  type ErrorDetails,
  type ErrorInit,
} from "./errors.ts";
export { cacheFolder } from "./cache-folder.ts";
export { Clock } from "./clock.ts";
export { formatIp, parseIp } from "./ip-address.ts";
export { SeededRandom } from "./seeded-random.ts";
export { withTimeout } from "./timeout.ts";
export type { Report } from "./report.ts";
