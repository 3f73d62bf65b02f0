import { readFile } from "node:fs/promises";
import { errorMessage } from "#core";
import { crc32cProvider } from "#digest";
import { systemCalls } from "#harness/tap-stream";
import type { Check } from "./doctor.ts";
import { freeBytes } from "./disk-space.ts";

const OLDEST_NODE = 24;
const MEBIBYTE = 1 << 20;

/** Node.js, its optional native packages, disk and memory. */
export async function systemChecks(): Promise<readonly Check[]> {
  return [nodeVersion(), await nativeCalls(), digestSpeed(), await diskSpace(), await memory()];
}

function nodeVersion(): Check {
  const version = process.versions.node;
  return Number.parseInt(version, 10) >= OLDEST_NODE
    ? { name: "Node.js", status: "ok", detail: version }
    : {
        name: "Node.js",
        status: "fail",
        detail: `${version}, which cannot run the sources`,
        cure: "start sanlab by bin/sanlab after 'npm ci', which brings its own Node.js",
      };
}

async function nativeCalls(): Promise<Check> {
  const name = "koffi";
  try {
    await systemCalls();
    return { name, status: "ok", detail: "loads" };
  } catch (error) {
    return { name, status: "warn", detail: errorMessage(error), cure: "npm ci (without --omit=optional)" };
  }
}

function digestSpeed(): Check {
  const name = "CRC32C";
  const provider = crc32cProvider();
  if (provider === "ISA-L") return { name, status: "ok", detail: "by ISA-L" };
  const detail = `by ${provider}: digests of iSCSI cost more than they must`;
  return { name, status: "warn", detail, cure: "apt-get install libisal2" };
}

async function diskSpace(): Promise<Check> {
  const name = "disk space";
  const free = Math.floor((await freeBytes(".")) / MEBIBYTE);
  const detail = `${free} MiB free in ${process.cwd()}`;
  if (free >= 1024) return { name, status: "ok", detail };
  const cure = "free some space, or run in another folder";
  // Less than what a run must have to begin, as Lab.open sees it.
  if (free < 256) return { name, status: "fail", detail: `${detail}: a run needs 256`, cure };
  return { name, status: "warn", detail: `${detail}: enough for a run, not for building a guest`, cure };
}

async function memory(): Promise<Check> {
  const name = "memory";
  const available = Number(
    /^MemAvailable:\s+(\d+) kB/m.exec(await readFile("/proc/meminfo", "utf8"))?.[1] ?? 0,
  );
  const mebibytes = Math.floor(available / 1024);
  const detail = `${mebibytes} MiB available`;
  if (mebibytes >= 1024) return { name, status: "ok", detail };
  return {
    name,
    status: mebibytes < 400 ? "fail" : "warn",
    detail: `${detail}: a machine of 512 MiB and QEMU's own share want 1024`,
    cure: "end other programs, or give guests less with --memory",
  };
}
