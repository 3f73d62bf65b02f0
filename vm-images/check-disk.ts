import { UsageError } from "#core";
import { isEfiSystem, readLayout, type DiskLayout } from "./disk-layout.ts";
import type { Firmware, GuestManifest } from "./manifest.ts";

/** The sector size of a SAN disk: block addresses of partitions and file systems count in it. */
const sectorBytes = 512;

/**
 * Looks at a guest's disk before it is booted, where its manifest says what has to be there: what is missing here would
 * end the boot minutes later, and could then only be guessed.
 *
 * @throws UsageError `IMAGE_NOT_BOOTABLE` naming the image, what is missing and the cure
 */
export async function checkDisk(
  manifest: Pick<GuestManifest, "disk" | "name">,
  image: string,
  firmware: Firmware,
): Promise<void> {
  if (manifest.disk === undefined) return;
  const layout = await readLayout(image);
  const fault = faultOf(layout, manifest.disk.filesystems, firmware);
  if (fault !== undefined) throw new UsageError("IMAGE_NOT_BOOTABLE", `${image}: ${fault}`);
}

function faultOf(
  { table, partitions }: DiskLayout,
  filesystems: readonly string[],
  firmware: Firmware,
): string | undefined {
  if (table === "none")
    return "the first sector has no boot signature (55 AA); name an image of the whole disk, not of a partition";
  if (table === "gpt-4096")
    return `the disk has sectors of 4096 bytes, a SAN disk has ${sectorBytes}; copy the system to a disk with ${sectorBytes}-byte sectors`;
  if (partitions.length === 0)
    return "the partition table is empty; name the disk that the system was installed on";
  const uefi = firmware === "uefi";
  const efi = partitions.some(isEfiSystem);
  if (uefi && !efi) return "it has no EFI system partition, so UEFI cannot boot it; set uefi: false";
  if (!uefi && table === "gpt")
    return "its partition table is a GPT, from which Windows boots by UEFI only; set uefi: true";
  if (!uefi && !partitions.some(({ active }) => active))
    return efi
      ? "no partition is marked active, so a BIOS cannot boot it; set uefi: true"
      : "no partition is marked active, so a BIOS cannot boot it; mark the system's (sfdisk --activate)";
  const fitting = partitions.filter(({ filesystem }) => filesystems.includes(filesystem ?? ""));
  if (fitting.length === 0)
    return `no partition has ${filesystems.map((name) => name.toUpperCase()).join(" or ")}; an encrypted one (BitLocker) has to be decrypted first`;
  const odd = partitions.find(({ bytesPerSector }) => (bytesPerSector ?? sectorBytes) !== sectorBytes);
  if (odd?.bytesPerSector !== undefined)
    return `its file system has sectors of ${odd.bytesPerSector} bytes, a SAN disk has ${sectorBytes}; copy the system to a disk with ${sectorBytes}-byte sectors`;
  return undefined;
}
