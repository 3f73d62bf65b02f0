import { createRequire } from "node:module";
import type * as Koffi from "koffi";
import type * as NodeRs from "@node-rs/crc32";
import { crc32cJs, hybridCrc32c, type Crc32c } from "ts-iscsi-pdu";

/** Who computes a CRC32C of long data; the first of them that loads does. */
export type Crc32cProvider = "ISA-L" | "@node-rs/crc32" | "JavaScript";

const require = createRequire(import.meta.url);
let chosen: { readonly provider: Crc32cProvider; readonly crc32c: Crc32c } | undefined;

/** The CRC32C of this machine; loads native code with the first call. */
export const crc32c: Crc32c = (data, seed) => (chosen ??= choose()).crc32c(data, seed);

export function crc32cProvider(): Crc32cProvider {
  return (chosen ??= choose()).provider;
}

function choose() {
  for (const [provider, load, from] of candidates) {
    try {
      return { provider, crc32c: hybridCrc32c(load(), from) };
    } catch {
      // Both are optional; what is not there, or computes something else, is passed over.
    }
  }
  return { provider: "JavaScript", crc32c: crc32cJs } as const;
}

/** Name, loader, and the number of bytes from which on it is faster than JavaScript. */
const candidates: readonly (readonly [Crc32cProvider, () => Crc32c, number])[] = [
  ["ISA-L", loadIsal, 128],
  ["@node-rs/crc32", loadNodeRs, 192],
];

/** Intel's storage library, Debian's libisal2, by koffi: it folds with carry-less multiplication, eight times as fast. */
function loadIsal(): Crc32c {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the package declares
  const koffi = require("koffi") as typeof Koffi;
  const crc = koffi
    .load("libisal.so.2")
    .func("uint32_t crc32_iscsi(const uint8_t *buffer, int length, uint32_t init)");
  // It neither inverts what it begins with nor what it gives.
  return (data, seed = 0) => ~Number(crc(data, data.length, ~seed >>> 0)) >>> 0;
}

function loadNodeRs(): Crc32c {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the package declares
  const native = require("@node-rs/crc32") as typeof NodeRs;
  return (data, seed) => native.crc32c(data, seed);
}
