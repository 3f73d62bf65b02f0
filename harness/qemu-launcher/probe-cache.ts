import { constants } from "node:fs";
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { cacheFolder } from "#core";
import type { AcceleratorChoice } from "./accelerator.ts";
import { findQemu } from "./locate.ts";
import { probeDisk } from "./probe-guest.ts";

/** The probe guest's disk in the probe's folder. */
export const probeImage = "probe.img";

/** A folder in the cache where one can be made, so that nothing gathers even if we are killed. */
export async function probeFolder(): Promise<AsyncDisposable & { readonly runDir: string }> {
  const cached = path.join(cacheFolder(), "accelerator-probe");
  const usable = await mkdir(cached, { recursive: true }).then(
    () =>
      access(cached, constants.W_OK).then(
        () => true,
        () => false,
      ),
    () => false,
  );
  const runDir = usable ? cached : await mkdtemp(path.join(tmpdir(), "sanlab-probe-"));
  await replaceFile(path.join(runDir, probeImage), probeDisk());
  return {
    runDir,
    async [Symbol.asyncDispose]() {
      if (!usable) await rm(runDir, { recursive: true, force: true });
    },
  };
}

/** What the answer depends on: this boot of the host and this QEMU. */
export async function hostKey(): Promise<string> {
  const { program, version } = await findQemu();
  const bootId = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "unknown");
  return `${bootId.trim()} ${program} ${version}`;
}

const answerFile = () => path.join(cacheFolder(), "accelerator.json");

export async function recall(key: string): Promise<AcceleratorChoice | undefined> {
  try {
    const saved: { readonly key?: unknown; readonly choice?: AcceleratorChoice } = JSON.parse(
      await readFile(answerFile(), "utf8"),
    );
    return saved.key === key ? saved.choice : undefined;
  } catch {
    return undefined;
  }
}

/** An answer that cannot be kept costs the next run a few seconds, no more. */
export async function remember(key: string, choice: AcceleratorChoice): Promise<void> {
  await mkdir(cacheFolder(), { recursive: true })
    .then(() => replaceFile(answerFile(), JSON.stringify({ key, choice })))
    .catch(() => {});
}

async function replaceFile(file: string, content: string | Uint8Array): Promise<void> {
  const fresh = `${file}.${process.pid}`;
  await writeFile(fresh, content);
  await rename(fresh, file);
}
