/**
 * The iSCSI Boot Firmware Table: how boot firmware tells an operating system which NIC, address, target and
 * credentials to boot with. Its model, a lenient reader that says what is wrong, and the search for it in memory.
 *
 * Used by the emulated SAN boot, by the observers of a boot, by the verdict and by `sanlab ibft`. Pure functions of
 * bytes: nothing here opens a file, talks to a machine or knows QEMU.
 *
 * Sources: Microsoft, "iSCSI Boot Firmware Table (iBFT) as Defined in ACPI 3.0b Specification" 1.02; Linux'
 * iscsi_ibft; iPXE; EDK2; open-iscsi.
 */
export {
  BlockFlag,
  ChapType,
  ControlFlag,
  Origin,
  type Finding,
  type Ibft,
  type IbftControl,
  type IbftExtension,
  type IbftInitiator,
  type IbftNic,
  type IbftTarget,
  type Severity,
} from "./model.ts";
export { readIbft, type ReadIbft } from "./read.ts";
export { findByAcpi, findByBiosScan, findIbft, findInMemory, type FoundIbft, type Memory } from "./find.ts";
export { describeIbft, ibftJson } from "./describe.ts";
