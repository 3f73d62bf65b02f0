import { readCapacity10, readCapacity16, getLbaStatus } from "./commands/capacity.ts";
import {
  getConfiguration,
  getEventStatusNotification,
  readDiscInformation,
  readToc,
} from "./commands/cdrom.ts";
import {
  preventAllowMediumRemoval,
  readDefectData,
  release,
  reserve,
  sendDiagnostic,
  startStopUnit,
} from "./commands/control.ts";
import { extendedCopy, receiveCopyOperatingParameters, receiveCopyStatus } from "./commands/extended-copy.ts";
import { inquiry } from "./commands/inquiry.ts";
import { modeSelect, modeSense } from "./commands/mode.ts";
import * as prin from "./commands/persistent-reserve-in.ts";
import * as prout from "./commands/persistent-reserve-out.ts";
import {
  compareAndWrite,
  orWrite,
  prefetch,
  read,
  read6,
  synchronizeCache,
  write,
  write6,
  writeAtomic,
} from "./commands/read-write.ts";
import { reportLuns, reportSupportedOpcodes, reportTaskManagement, requestSense } from "./commands/report.ts";
import { sanitizeErase, sanitizeExitFailureMode, sanitizeOverwrite } from "./commands/sanitize.ts";
import { unmap, writeSame } from "./commands/unmap.ts";
import { verify, writeAndVerify } from "./commands/verify.ts";
import { done } from "./plan.ts";
import type { Handlers } from "./request.ts";
import { currentSense } from "./readiness.ts";

const common: Handlers = {
  testUnitReady: () => done,
  requestSense: ({ unit, nexus, cdb }) => requestSense(currentSense(unit, nexus), cdb),
  inquiry,
  reportLuns: ({ server, cdb }) => reportLuns(server, cdb.select, cdb.allocationLength),
  modeSense6: modeSense,
  modeSense10: modeSense,
  modeSelect6: modeSelect,
  modeSelect10: modeSelect,
  startStopUnit,
  preventAllowMediumRemoval,
  sendDiagnostic,
  readCapacity10,
  readCapacity16,
  read6,
  read10: read,
  read12: read,
  read16: read,
  reserve6: reserve,
  reserve10: reserve,
  release6: release,
  release10: release,
  prinReadKeys: prin.readKeys,
  prinReadReservation: prin.readReservation,
  prinReportCapabilities: prin.reportCapabilities,
  prinReadFullStatus: prin.readFullStatus,
  proutRegister: prout.register,
  proutReserve: prout.reserve,
  proutRelease: prout.release,
  proutClear: prout.clear,
  proutPreempt: prout.preempt,
  proutPreemptAndAbort: prout.preemptAndAbort,
  proutRegisterAndIgnore: prout.registerAndIgnore,
  proutRegisterAndMove: prout.registerAndMove,
  reportSupportedTaskManagement: reportTaskManagement,
};

const disk: Handlers = {
  ...common,
  write6,
  write10: write,
  write12: write,
  write16: write,
  writeAtomic16: writeAtomic,
  writeAndVerify10: writeAndVerify,
  writeAndVerify12: writeAndVerify,
  writeAndVerify16: writeAndVerify,
  verify10: verify,
  verify12: verify,
  verify16: verify,
  prefetch10: prefetch,
  prefetch16: prefetch,
  synchronizeCache10: synchronizeCache,
  synchronizeCache16: synchronizeCache,
  orWrite16: orWrite,
  compareAndWrite,
  unmap,
  writeSame10: writeSame,
  writeSame16: writeSame,
  getLbaStatus,
  readDefectData10: readDefectData,
  readDefectData12: readDefectData,
  sanitizeOverwrite,
  sanitizeBlockErase: sanitizeErase,
  sanitizeCryptographicErase: sanitizeErase,
  sanitizeExitFailureMode,
  extendedCopy,
  receiveCopyStatus,
  receiveCopyOperatingParameters,
  reportSupportedOperationCodes: reportSupportedOpcodes(() => disk),
};

const cdrom: Handlers = {
  ...common,
  readToc,
  getConfiguration,
  getEventStatusNotification,
  readDiscInformation,
  reportSupportedOperationCodes: reportSupportedOpcodes(() => cdrom),
};

/** The commands of each device type. */
export const commandTable: Readonly<Record<"disk" | "cdrom", Handlers>> = { disk, cdrom };
