import test from "ava";
import { soakLink } from "./random-stream.ts";

test("random bytes neither break the decoder nor fill the memory", (t) => {
  const result = soakLink({ bytes: 2e6, seed: 20_261_121 });
  t.true(result.grownMiB < 8, `${result.grownMiB} MiB`);
  t.true(result.prints > 100 && result.damaged > 0);
  t.true(result.longest <= 4096 && result.textBytes > 1e6);
});
