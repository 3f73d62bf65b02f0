import { constants } from "node:fs";
import { access } from "node:fs/promises";
import path from "node:path";
import { execa, type Options } from "execa";
import { LabError } from "#core";
import { nicDevices, type NicModel } from "./machine-spec.ts";

export interface Qemu {
  readonly program: string;
  /** As QEMU prints it, such as `7.2.22`. */
  readonly version: string;
  /** Where QEMU looks for ROMs and firmware, first match wins. */
  readonly dataDirs: readonly string[];
}

export interface Ovmf {
  readonly code: string;
  /** The pristine variable store; each machine gets a copy. */
  readonly variables: string;
}

const oldestVersion = [7, 2] as const;
let found: Promise<Qemu> | undefined;

/**
 * QEMU for x86-64: the program that `SANLAB_QEMU` names, else the first in `PATH`. Throws LabError QEMU_MISSING,
 * QEMU_BROKEN or QEMU_TOO_OLD.
 */
export function findQemu(): Promise<Qemu> {
  found ??= locateQemu().catch((error: unknown) => {
    found = undefined;
    throw error;
  });
  return found;
}

async function locateQemu(): Promise<Qemu> {
  const { PATH: searched = "", SANLAB_QEMU: own } = process.env;
  if (own !== undefined && own !== "" && !(await readable(own, constants.X_OK))) {
    throw new LabError("QEMU_MISSING", `SANLAB_QEMU=${own}: no such program`);
  }
  const folders = searched.split(":").filter((dir) => dir !== "");
  const program =
    own !== undefined && own !== ""
      ? path.resolve(own)
      : await firstThat(
          folders.map((dir) => path.join(dir, "qemu-system-x86_64")),
          constants.X_OK,
        );
  if (program === undefined) {
    throw new LabError(
      "QEMU_MISSING",
      "qemu-system-x86_64 is not installed: install the Debian package qemu-system-x86",
    );
  }
  const [banner, dirs] = await Promise.all([output(program, ["--version"]), output(program, ["-L", "help"])]);
  const version = /version (\d+(?:\.\d+)+)/.exec(banner)?.[1];
  if (version === undefined)
    throw new LabError("QEMU_BROKEN", `${program} --version does not tell a version`);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < oldestVersion[0] || (major === oldestVersion[0] && minor < oldestVersion[1])) {
    throw new LabError(
      "QEMU_TOO_OLD",
      `${program} is ${version}: ${oldestVersion.join(".")} or newer is needed`,
    );
  }
  return { program, version, dataDirs: dirs.split("\n").filter((dir) => dir !== "") };
}

/** Typed loosely on purpose: inferring the result from the options themselves takes the compiler seconds. */
const settings: Options = { reject: false };

async function output(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await execa(program, args, settings);
  return typeof stdout === "string" ? stdout : "";
}

/** Code and variables must come from the same build, hence pairs. */
const ovmfPairs = [
  ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"],
  ["/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"],
  ["/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"],
  ["/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"],
  ["/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"],
] as const;

/** OVMF without Secure Boot. Throws LabError OVMF_MISSING. */
export async function findOvmf(): Promise<Ovmf> {
  for (const [code, variables] of ovmfPairs) {
    if ((await readable(code)) && (await readable(variables))) return { code, variables };
  }
  throw new LabError("OVMF_MISSING", "no UEFI firmware found: install the Debian package ovmf");
}

/** The iPXE ROM that QEMU gives this NIC. Throws LabError IPXE_ROM_MISSING. */
export async function findIpxeRom(model: NicModel): Promise<string> {
  const { dataDirs } = await findQemu();
  const { rom } = nicDevices[model];
  const file = await firstThat(dataDirs.map((dir) => path.join(dir, rom)));
  if (file !== undefined) return file;
  throw new LabError(
    "IPXE_ROM_MISSING",
    `QEMU has no iPXE ROM for ${model} (${rom}): install the Debian package ipxe-qemu`,
  );
}

async function firstThat(files: readonly string[], mode = constants.R_OK): Promise<string | undefined> {
  for (const file of files) if (await readable(file, mode)) return file;
  return undefined;
}

function readable(file: string, mode = constants.R_OK): Promise<boolean> {
  return access(file, mode).then(
    () => true,
    () => false,
  );
}
