import { constants } from "node:fs";
import { access } from "node:fs/promises";
import path from "node:path";
import { runTool, toolEnvironment } from "#harness/network";
import type { Check, CheckStatus } from "./doctor.ts";

interface Tool {
  readonly name: string;
  readonly programs: readonly string[];
  readonly debian: string;
  readonly without: string;
  readonly status?: CheckStatus;
}

const TOOLS: readonly Tool[] = [
  { name: "tgt", programs: ["tgtd", "tgtadm"], debian: "tgt", without: "no --target tgt" },
  { name: "istgt", programs: ["istgt"], debian: "istgt", without: "no --target istgt" },
  { name: "tshark", programs: ["tshark"], debian: "tshark", without: "captures cannot be decoded" },
  {
    name: "image tools",
    programs: ["mkfs.ext4", "mcopy", "grub-mkimage", "depmod", "xz"],
    debian: "e2fsprogs mtools grub-common kmod xz-utils",
    without: "the guest image cannot be built",
  },
  { name: "nasm", programs: ["nasm"], debian: "nasm", without: "no guests kd-probe" },
];

/** From these the guest is built; they are fetched by the machine's own apt. */
const GUEST_PACKAGES = ["open-iscsi", "linux-image-amd64", "busybox-static"] as const;

/** Programs that sanlab uses where they are, and the packages that the guest is made of. */
export async function toolChecks(): Promise<readonly Check[]> {
  return await Promise.all([...TOOLS.map((tool) => present(tool)), guestPackages()]);
}

async function present(tool: Tool): Promise<Check> {
  const { name, debian } = tool;
  const found = await Promise.all(tool.programs.map((program) => locate(program)));
  const missing = tool.programs.filter((_, i) => found[i] === undefined);
  if (missing.length === 0) return { name, status: "ok", detail: found[0] ?? "" };
  const detail = `${missing.join(", ")} not found: ${tool.without}`;
  return { name, status: tool.status ?? "warn", detail, cure: `apt-get install ${debian}` };
}

async function locate(program: string): Promise<string | undefined> {
  const folders = (toolEnvironment()["PATH"] ?? "").split(path.delimiter).filter((folder) => folder !== "");
  for (const folder of folders) {
    const file = path.join(folder, program);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

async function guestPackages(): Promise<Check> {
  const name = "apt";
  const { status, missing: noApt, stdout } = await runTool("apt-cache", ["policy", ...GUEST_PACKAGES]);
  if (status !== 0) {
    const detail = noApt ? "not a Debian system" : "apt-cache does not answer";
    return {
      name,
      status: "warn",
      detail: `${detail}: guests cannot be built here`,
      cure: "use Debian 12 or newer, or give an image of your own",
    };
  }
  const missing = GUEST_PACKAGES.filter((item) => !hasCandidate(stdout, item));
  if (missing.length === 0) return { name, status: "ok", detail: `can fetch ${GUEST_PACKAGES.join(", ")}` };
  return {
    name,
    status: "warn",
    detail: `knows no package ${missing.join(", ")}: the guest cannot be built until it does`,
    cure: "apt-get update",
  };
}

/** `apt-cache policy` prints a block a package: `NAME:`, then indented lines, one of them `Candidate: VERSION`. */
function hasCandidate(policy: string, item: string): boolean {
  const start = policy.indexOf(`${item}:\n`);
  const candidate = start < 0 ? undefined : /Candidate: (.+)/.exec(policy.slice(start))?.[1];
  return candidate !== undefined && candidate !== "(none)";
}
