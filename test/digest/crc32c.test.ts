import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { SeededRandom } from "#core";
import { crc32c, crc32cProvider } from "#digest";
import { crc32cJs } from "ts-iscsi-pdu";
import test from "ava";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../..");

test("with libisal2 installed, ISA-L computes it, and the RFC's example comes out", (t) => {
  t.is(crc32cProvider(), "ISA-L");
  // RFC 7143 Appendix A.4: 32 bytes of zeros are aa 36 91 8a on the wire, least significant byte first.
  t.is(crc32c(new Uint8Array(32)), 0x8a91_36aa);
  const long = Buffer.concat(Array.from({ length: 64 }, () => Buffer.from("123456789")));
  t.is(crc32c(long), crc32cJs(long));
});

test("every length around the change to native code, at any address and with any seed, is JavaScript's", (t) => {
  const random = new SeededRandom(11);
  const bytes = Uint8Array.from({ length: 70_000 }, () => random.below(256));
  const lengths = [0, 1, 127, 128, 129, 191, 192, 193, 4095, 4096, 4097, 65_536, 65_549];
  for (const length of lengths) {
    const at = random.below(64);
    const seed = random.below(2 ** 32);
    const part = bytes.subarray(at, at + length);
    t.is(crc32c(part, seed), crc32cJs(part, seed), `${length} bytes at ${at}`);
    const cut = random.below(length + 1);
    t.is(crc32c(part.subarray(cut), crc32c(part.subarray(0, cut))), crc32cJs(part), `cut at ${cut}`);
  }
});

const without = (missing: readonly string[]) => `
  const { registerHooks } = await import("node:module");
  registerHooks({ resolve: (name, context, next) => {
    if (${JSON.stringify(missing)}.includes(name)) throw new Error("not here");
    return next(name, context);
  } });
  const { crc32c, crc32cProvider } = await import("#digest");
  console.log(crc32cProvider(), crc32c(Buffer.alloc(512, "123456789")).toString(16));`;

const expected = crc32cJs(Buffer.alloc(512, "123456789")).toString(16);
for (const [missing, provider] of [
  [[], "ISA-L"],
  [["koffi"], "@node-rs/crc32"],
  [["koffi", "@node-rs/crc32"], "JavaScript"],
] as const) {
  test(`without ${missing.join(" and ") || "anything missing"} it is computed by ${provider}`, async (t) => {
    const { stdout } = await run(
      process.execPath,
      ["--conditions=source", "--input-type=module", "-e", without(missing)],
      { cwd: root },
    );
    t.is(stdout.trim(), `${provider} ${expected}`);
  });
}
