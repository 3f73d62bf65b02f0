import { bits, flag, u16, u24, u32, u8 } from "./field.ts";
import { dataIn, dataOut, noData } from "./spec.ts";

const reserveOut = { scope: bits(2, 4, 4), type: bits(2, 0, 4), parameterListLength: u32(5) } as const;
const allocation16 = { allocationLength: u16(7) } as const;
const copyResults = { listIdentifier: u8(2), allocationLength: u32(10) } as const;

/** The commands of SPC-4, section 6, by the name they have in this code. */
export const primaryCommands = {
  testUnitReady: noData("TEST UNIT READY", 0x00, 6, {}),
  requestSense: dataIn("REQUEST SENSE", 0x03, 6, { descriptor: flag(1, 0), allocationLength: u8(4) }),
  inquiry: dataIn("INQUIRY", 0x12, 6, { vital: flag(1, 0), page: u8(2), allocationLength: u16(3) }),
  modeSelect6: dataOut("MODE SELECT(6)", 0x15, 6, {
    pageFormat: flag(1, 4),
    savePages: flag(1, 0),
    parameterListLength: u8(4),
  }),
  reserve6: noData("RESERVE(6)", 0x16, 6, { thirdParty: flag(1, 4), extent: flag(1, 0) }),
  release6: noData("RELEASE(6)", 0x17, 6, { thirdParty: flag(1, 4), extent: flag(1, 0) }),
  modeSense6: dataIn("MODE SENSE(6)", 0x1a, 6, {
    disableBlockDescriptors: flag(1, 3),
    pageControl: bits(2, 6, 2),
    page: bits(2, 0, 6),
    subpage: u8(3),
    allocationLength: u8(4),
  }),
  receiveDiagnosticResults: dataIn("RECEIVE DIAGNOSTIC RESULTS", 0x1c, 6, {
    pageCodeValid: flag(1, 0),
    page: u8(2),
    allocationLength: u16(3),
  }),
  sendDiagnostic: dataOut("SEND DIAGNOSTIC", 0x1d, 6, {
    selfTestCode: bits(1, 5, 3),
    pageFormat: flag(1, 4),
    selfTest: flag(1, 2),
    deviceOffline: flag(1, 1),
    unitOffline: flag(1, 0),
    parameterListLength: u16(3),
  }),
  logSense: dataIn("LOG SENSE", 0x4d, 10, {
    savePages: flag(1, 0),
    pageControl: bits(2, 6, 2),
    page: bits(2, 0, 6),
    subpage: u8(3),
    parameterPointer: u16(5),
    allocationLength: u16(7),
  }),
  modeSelect10: dataOut("MODE SELECT(10)", 0x55, 10, {
    pageFormat: flag(1, 4),
    savePages: flag(1, 0),
    parameterListLength: u16(7),
  }),
  reserve10: noData("RESERVE(10)", 0x56, 10, {}),
  release10: noData("RELEASE(10)", 0x57, 10, {}),
  modeSense10: dataIn("MODE SENSE(10)", 0x5a, 10, {
    longLba: flag(1, 4),
    disableBlockDescriptors: flag(1, 3),
    pageControl: bits(2, 6, 2),
    page: bits(2, 0, 6),
    subpage: u8(3),
    allocationLength: u16(7),
  }),
  prinReadKeys: dataIn("PERSISTENT RESERVE IN: READ KEYS", 0x5e, 10, allocation16, { serviceAction: 0x00 }),
  prinReadReservation: dataIn("PERSISTENT RESERVE IN: READ RESERVATION", 0x5e, 10, allocation16, {
    serviceAction: 0x01,
  }),
  prinReportCapabilities: dataIn("PERSISTENT RESERVE IN: REPORT CAPABILITIES", 0x5e, 10, allocation16, {
    serviceAction: 0x02,
  }),
  prinReadFullStatus: dataIn("PERSISTENT RESERVE IN: READ FULL STATUS", 0x5e, 10, allocation16, {
    serviceAction: 0x03,
  }),
  proutRegister: dataOut("PERSISTENT RESERVE OUT: REGISTER", 0x5f, 10, reserveOut, { serviceAction: 0x00 }),
  proutReserve: dataOut("PERSISTENT RESERVE OUT: RESERVE", 0x5f, 10, reserveOut, { serviceAction: 0x01 }),
  proutRelease: dataOut("PERSISTENT RESERVE OUT: RELEASE", 0x5f, 10, reserveOut, { serviceAction: 0x02 }),
  proutClear: dataOut("PERSISTENT RESERVE OUT: CLEAR", 0x5f, 10, reserveOut, { serviceAction: 0x03 }),
  proutPreempt: dataOut("PERSISTENT RESERVE OUT: PREEMPT", 0x5f, 10, reserveOut, { serviceAction: 0x04 }),
  proutPreemptAndAbort: dataOut("PERSISTENT RESERVE OUT: PREEMPT AND ABORT", 0x5f, 10, reserveOut, {
    serviceAction: 0x05,
  }),
  proutRegisterAndIgnore: dataOut(
    "PERSISTENT RESERVE OUT: REGISTER AND IGNORE EXISTING KEY",
    0x5f,
    10,
    reserveOut,
    { serviceAction: 0x06 },
  ),
  proutRegisterAndMove: dataOut("PERSISTENT RESERVE OUT: REGISTER AND MOVE", 0x5f, 10, reserveOut, {
    serviceAction: 0x07,
  }),
  extendedCopy: dataOut(
    "EXTENDED COPY(LID1)",
    0x83,
    16,
    { parameterListLength: u32(10) },
    { serviceAction: 0x00 },
  ),
  receiveCopyStatus: dataIn("RECEIVE COPY RESULTS: COPY STATUS", 0x84, 16, copyResults, {
    serviceAction: 0x00,
  }),
  receiveCopyData: dataIn("RECEIVE COPY RESULTS: RECEIVE DATA", 0x84, 16, copyResults, {
    serviceAction: 0x01,
  }),
  receiveCopyOperatingParameters: dataIn(
    "RECEIVE COPY RESULTS: OPERATING PARAMETERS",
    0x84,
    16,
    copyResults,
    { serviceAction: 0x03 },
  ),
  receiveCopyFailedSegment: dataIn("RECEIVE COPY RESULTS: FAILED SEGMENT DETAILS", 0x84, 16, copyResults, {
    serviceAction: 0x04,
  }),
  reportLuns: dataIn("REPORT LUNS", 0xa0, 12, { select: u8(2), allocationLength: u32(6) }),
  reportTargetPortGroups: dataIn(
    "REPORT TARGET PORT GROUPS",
    0xa3,
    12,
    { parameterFormat: bits(1, 5, 3), allocationLength: u32(6) },
    { serviceAction: 0x0a },
  ),
  reportSupportedOperationCodes: dataIn(
    "REPORT SUPPORTED OPERATION CODES",
    0xa3,
    12,
    {
      timeouts: flag(2, 7),
      reportingOptions: bits(2, 0, 3),
      requestedOpcode: u8(3),
      requestedServiceAction: u16(4),
      allocationLength: u32(6),
    },
    { serviceAction: 0x0c },
  ),
  reportSupportedTaskManagement: dataIn(
    "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
    0xa3,
    12,
    { extended: flag(2, 7), allocationLength: u32(6) },
    { serviceAction: 0x0d },
  ),
  securityProtocolIn: dataIn("SECURITY PROTOCOL IN", 0xa2, 12, {
    protocol: u8(1),
    specific: u16(2),
    allocationLength: u32(6),
  }),
  writeBuffer: dataOut("WRITE BUFFER", 0x3b, 10, {
    modeSpecific: bits(1, 5, 3),
    mode: bits(1, 0, 5),
    buffer: u8(2),
    offset: u24(3),
    parameterListLength: u24(6),
  }),
  readBuffer: dataIn("READ BUFFER", 0x3c, 10, {
    modeSpecific: bits(1, 5, 3),
    mode: bits(1, 0, 5),
    buffer: u8(2),
    offset: u24(3),
    allocationLength: u24(6),
  }),
} as const;
