/**
 * The iSCSI Boot Firmware Table: how boot firmware tells an operating system which NIC, address, target and
 * credentials to boot with. Its model, a lenient reader that says what is wrong, the search for it in memory, a writer
 * that is strict unless told to be wrong, and a lint that knows what each operating system trips over.
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
export { searchIbft, type RamRange, type ReadMemory, type SearchOptions } from "./search.ts";
export { describeIbft, ibftJson } from "./describe.ts";
export { lintIbft, type LintOptions } from "./lint.ts";
export type { LintProfile } from "./lint-rules.ts";
export type { ContextNic, ContextPath, LintContext, MemoryRange } from "./lint-scene.ts";
export { contextOfMemory } from "./memory-context.ts";
export { specFromSysfs, type SysfsFiles } from "./from-sysfs.ts";
export { writeIbft } from "./write.ts";
export type { IbftLayout, IbftQuirks, IbftSpec, InitiatorSpec, NicSpec, TargetSpec } from "./spec.ts";
export { ibftSpecSchema, parseIbftSpec, parseLintContext } from "./spec-file.ts";
export { inSameSubnet } from "./subnet.ts";
export { diffIbft, type IbftDifference } from "./diff.ts";
