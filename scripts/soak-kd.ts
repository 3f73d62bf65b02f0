/**
 * Feeds the kernel debugger's link with random bytes that look like packets far more often than chance would have it,
 * and watches its memory: `node --conditions=source scripts/soak-kd.ts [megabytes] [seed]`, 100 MB and seed 1 unless told.
 */
import { soakLink } from "../test/kd/random-stream.ts";

const [megabytes = 100, seed = 1] = process.argv.slice(2).map(Number);
const result = soakLink({ bytes: megabytes * 1e6, seed });
process.stdout.write(`${JSON.stringify({ megabytes, seed, ...result })}\n`);
process.exitCode = result.grownMiB > 32 ? 1 : 0;
