import { constants } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { errorCode, errorMessage } from "#core";
import { findIpxeRom, findOvmf, findQemu, probeAccelerator, type NicModel } from "#harness/qemu-launcher";
import { romImages } from "./rom-images.ts";
import type { Check } from "./doctor.ts";

const NICS = ["e1000", "rtl8139", "virtio"] as const satisfies readonly NicModel[];

/** QEMU, what accelerates it, and the firmware it needs. */
export async function qemuChecks(options: { readonly signal?: AbortSignal }): Promise<readonly Check[]> {
  const qemu = await version();
  if (qemu.status !== "ok") return [qemu, await ovmf()];
  const roms = await Promise.all(NICS.map((nic) => ipxeRom(nic)));
  return [qemu, await accelerator(options), ...roms, await ovmf()];
}

async function version(): Promise<Check> {
  const name = "QEMU";
  try {
    const qemu = await findQemu();
    return { name, status: "ok", detail: `${qemu.version}, ${qemu.program}` };
  } catch (error) {
    return { name, status: "fail", detail: errorMessage(error), cure: "apt-get install qemu-system-x86" };
  }
}

async function accelerator(options: { readonly signal?: AbortSignal }): Promise<Check> {
  const name = "KVM";
  try {
    const { accel, reason } = await probeAccelerator(options);
    if (accel === "kvm") return { name, status: "ok", detail: reason };
    return {
      name,
      status: "warn",
      detail: `guests are emulated (TCG), which is slower: ${reason}`,
      cure: await kvmCure(),
    };
  } catch (error) {
    options.signal?.throwIfAborted();
    return {
      name,
      status: "fail",
      detail: `no guest runs, not even emulated: ${errorMessage(error)}`,
      cure: "apt-get install --reinstall qemu-system-x86",
    };
  }
}

async function kvmCure(): Promise<string> {
  try {
    await access("/dev/kvm", constants.R_OK | constants.W_OK);
    return "a host whose KVM runs 64-bit guests";
  } catch (error) {
    return errorCode(error) === "EACCES"
      ? "adduser $USER kvm, and log in again"
      : "modprobe kvm_intel or kvm_amd, where the processor has it";
  }
}

async function ipxeRom(nic: NicModel): Promise<Check> {
  const name = `iPXE for ${nic}`;
  const cure = "apt-get install ipxe-qemu";
  try {
    const file = await findIpxeRom(nic);
    const kinds = romImages(await readFile(file));
    const missing = (["BIOS", "UEFI"] as const).filter((kind) => !kinds.includes(kind));
    if (missing.length === 0) return { name, status: "ok", detail: `${file}: BIOS, UEFI` };
    return { name, status: "warn", detail: `${file} has no code for ${missing.join(" and ")}`, cure };
  } catch (error) {
    return { name, status: "fail", detail: errorMessage(error), cure };
  }
}

async function ovmf(): Promise<Check> {
  const name = "OVMF";
  try {
    return { name, status: "ok", detail: (await findOvmf()).code };
  } catch (error) {
    return {
      name,
      status: "warn",
      detail: `no --uefi: ${errorMessage(error)}`,
      cure: "apt-get install ovmf",
    };
  }
}
