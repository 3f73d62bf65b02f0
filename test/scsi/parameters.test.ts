import test from "ava";
import {
  CopyDescriptor,
  additionalSenseText,
  formatDesignator,
  readBlockCharacteristics,
  readBlockLimits,
  readCapacity10,
  readCapacity16,
  readCommandSupport,
  readCopyHeader,
  readCopyOperatingParameters,
  readCopySegment,
  readCopyStatus,
  readCopyTarget,
  readDesignators,
  readExtendedInquiry,
  readFullStatus,
  readInquiry,
  readModeParameters,
  readRegisterAndMove,
  readReportLuns,
  readReservationCapabilities,
  readReserveOutParameters,
  readSupportedCommands,
  readUnmapList,
  readVpdPage,
  senseKeyName,
  writeBlockCharacteristics,
  writeBlockLimits,
  writeCapacity10,
  writeCapacity16,
  writeCommandSupport,
  writeCopyOperatingParameters,
  writeCopyParameters,
  writeCopyStatus,
  writeDesignators,
  writeExtendedInquiry,
  writeFullStatus,
  writeInquiry,
  writeModeParameters,
  writeRegisterAndMove,
  writeReservationCapabilities,
  writeReserveOutParameters,
  writeSupportedCommands,
  writeUnmapList,
  writeVpdPage,
} from "#scsi";

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const hex = (data: Uint8Array) => Buffer.from(data).toString("hex");

/** Bytes from the standards' tables, and the same as data, both ways. */
function both<T>(write: (data: T) => Uint8Array, read: (data: Uint8Array) => T | undefined) {
  return test.macro((t, text: string, data: T) => {
    t.is(hex(write(data)), hex(bytes(text)));
    t.deepEqual(read(bytes(text)), data);
  });
}

test("READ CAPACITY(10)", both(writeCapacity10, readCapacity10), "00031fff 00000200", {
  blocks: 204_800,
  blockSize: 512,
});
test(
  "READ CAPACITY(16), thin, with protection type 2",
  both(writeCapacity16, readCapacity16),
  `00000003ffffffff 00001000 03 03 c008 ${"00".repeat(16)}`,
  {
    blocks: 2 ** 34,
    blockSize: 4096,
    protection: 2,
    physicalBlockExponent: 3,
    lowestAlignedLba: 8,
    thinProvisioned: true,
    readsZeros: true,
  },
);
test("UNMAP", both(writeUnmapList, readUnmapList), "0016 0010 00000000 0000000100000000 00000008 00000000", [
  { lba: 2 ** 32, blocks: 8 },
]);
test("page 86", both(writeExtendedInquiry, readExtendedInquiry), `00 0f 01 01 ${"00".repeat(56)}`, {
  writeUncorrectable: true,
  simpleTasks: true,
  orderedTasks: true,
  headOfQueueTasks: true,
  volatileCache: true,
  luClearing: true,
});
test("page B1", both(writeBlockCharacteristics, readBlockCharacteristics), `1c20 00 53 ${"00".repeat(56)}`, {
  rotationRate: 7200,
  formFactor: 3,
  writeAfterBlockErase: 1,
  writeAfterCryptographicErase: 1,
});
test(
  "PERSISTENT RESERVE IN: REPORT CAPABILITIES",
  both(writeReservationCapabilities, readReservationCapabilities),
  "0008 1d 81 ea01 0000",
  {
    specifyInitiatorPorts: true,
    allTargetPorts: true,
    persistCapable: true,
    persistActive: true,
    types: [1, 3, 5, 6, 7, 8],
  },
);
const port = "iqn.a:b,i,0x800000010002";
const transportId = `45 00 001c ${hex(Buffer.from(port))} 00000000`;
test(
  "PERSISTENT RESERVE OUT with initiator ports",
  both(writeReserveOutParameters, readReserveOutParameters),
  `0000000000000000 00000000deadbeef 00000000 0d 000000 00000020 ${transportId}`,
  {
    key: "0000000000000000",
    serviceKey: "00000000deadbeef",
    allTargetPorts: true,
    persist: true,
    initiatorPorts: [port],
  },
);
test(
  "REGISTER AND MOVE",
  both(writeRegisterAndMove, readRegisterAndMove),
  `0000000000000001 0000000000000002 00 03 0001 00000020 ${transportId}`,
  {
    key: "0000000000000001",
    serviceKey: "0000000000000002",
    unregister: true,
    persist: true,
    relativePort: 1,
    initiatorPort: port,
  },
);
test(
  "designators",
  both(writeDesignators, readDesignators),
  "01 03 00 08 3123456789abcdef 51 94 00 04 00000001",
  [
    { type: 3, codeSet: 1, association: 0, value: bytes("3123456789abcdef") },
    { type: 4, codeSet: 1, association: 1, protocol: 5, value: bytes("00000001") },
  ],
);
test(
  "supported commands",
  both(
    (list: ReturnType<typeof readSupportedCommands>) => writeSupportedCommands(list, false),
    readSupportedCommands,
  ),
  "00000010 28 00 0000 00 00 000a 9e 00 0010 00 01 0010",
  [
    { opcode: 0x28, cdbLength: 10 },
    { opcode: 0x9e, serviceAction: 0x10, cdbLength: 16 },
  ],
);
test(
  "support of one command",
  both(
    (support: ReturnType<typeof readCommandSupport>) => writeCommandSupport(support, false),
    readCommandSupport,
  ),
  "00 03 0006 0000000000ff",
  { supported: true, usage: bytes("0000000000ff") },
);
test("copy status", both(writeCopyStatus, readCopyStatus), "00000008 01 0002 00 00100000", {
  status: 1,
  segmentsProcessed: 2,
  transferred: 1_048_576,
});

test("what has many fields survives the way there and back", (t) => {
  const inquiry = {
    qualifier: 0,
    deviceType: 5,
    removable: true,
    version: 6,
    vendor: "SANLAB",
    product: "DISC",
    revision: "1",
    commandQueuing: true,
    thirdPartyCopy: true,
    targetPortGroups: 1,
    versionDescriptors: [0x04c0, 0x0960],
  };
  t.deepEqual(readInquiry(writeInquiry(inquiry)), inquiry);
  const limits = {
    writeSameNonZero: true,
    maxCompareAndWriteBlocks: 1,
    optimalTransferGranularity: 2,
    maxTransferBlocks: 3,
    optimalTransferBlocks: 4,
    maxPrefetchBlocks: 5,
    maxUnmapBlocks: 6,
    maxUnmapDescriptors: 7,
    optimalUnmapGranularity: 8,
    unmapGranularityAlignment: 9,
    maxWriteSameBlocks: 10,
    maxAtomicTransferBlocks: 11,
    atomicAlignment: 12,
    atomicTransferGranularity: 13,
  };
  t.deepEqual(readBlockLimits(writeBlockLimits(limits)), limits);
  const copy = {
    maxTargets: 2,
    maxSegments: 16,
    maxDescriptorListLength: 512,
    maxSegmentLength: 1024,
    maxInlineDataLength: 0,
    maxConcurrentCopies: 3,
    descriptorTypes: [2, 0xe4],
  };
  t.deepEqual(readCopyOperatingParameters(writeCopyOperatingParameters(copy)), copy);
  const status = {
    generation: 4,
    registrations: [
      { key: "000000000000000a", holder: true, type: 3, scope: 0, relativePort: 1, initiatorPort: port },
    ],
  };
  t.deepEqual(readFullStatus(writeFullStatus(status.generation, status.registrations)), status);
});

test("EXTENDED COPY: header, targets and segments", (t) => {
  const designator = { type: 3, codeSet: 1, association: 0, value: bytes("3123456789abcdef") };
  const segment = {
    type: CopyDescriptor.BlockToBlock,
    source: 0,
    destination: 1,
    blocks: 8,
    sourceLba: 2 ** 33,
    destinationLba: 5,
    destinationCount: true,
  };
  const data = writeCopyParameters({
    listIdentifier: 9,
    listIdUsage: 2,
    priority: 1,
    targets: [{ type: CopyDescriptor.IdentificationTarget, designator, blockSize: 512 }],
    segments: [segment],
    inlineDataLength: 0,
  });
  t.is(hex(data.subarray(0, 16)), "09110020000000000000001c00000000");
  t.deepEqual(readCopyHeader(data), {
    listIdentifier: 9,
    listIdUsage: 2,
    targetLength: 32,
    segmentLength: 28,
    inlineDataLength: 0,
  });
  t.deepEqual(readCopyTarget(data.subarray(16, 48)), { type: 0xe4, designator, blockSize: 512 });
  t.deepEqual(readCopySegment(data.subarray(48)), segment);
});

for (const command of [6, 10] as const)
  test(`MODE SENSE(${command}) pages, a block descriptor and the header`, (t) => {
    const parameters = {
      mediumType: 0,
      deviceSpecific: 0x90,
      blockDescriptor: { blocks: 100, blockSize: 512 },
      pages: [
        { page: 8, body: bytes("0400") },
        { page: 10, subpage: 1, savable: true, body: bytes("01") },
      ],
    };
    t.deepEqual(readModeParameters(writeModeParameters(parameters, command), command), parameters);
    t.is(readModeParameters(bytes("ff"), command), undefined);
  });

test("answers that were cut, or are something else, are taken as far as they go", (t) => {
  t.is(readVpdPage(0x83, bytes("00800004 31323334")), undefined);
  t.is(hex(readVpdPage(0x80, writeVpdPage(0, 0x80, bytes("31323334")).subarray(0, 6))!), "3132");
  t.is(readCapacity16(bytes("00000000")), undefined);
  t.is(readCapacity10(bytes("ffffffff00000200")), undefined, "ask with 16 bytes");
  t.deepEqual(readReportLuns(bytes("00000010 00000000 0001000000000000 0002")).luns.map(hex), [
    "0001000000000000",
  ]);
  t.is(readReportLuns(bytes("00000010 00000000")).totalLength, 24);
  t.is(readUnmapList(bytes("0016 0020 00000000")), undefined);
  t.deepEqual(readDesignators(bytes("01 03 00 08 31")), []);
  t.is(readReserveOutParameters(bytes("00")), undefined);
});

test("words for people", (t) => {
  t.is(senseKeyName(5), "ILLEGAL REQUEST");
  t.is(additionalSenseText(0x2a, 0x09), "Capacity Data Has Changed");
  t.is(additionalSenseText(0x80, 0x01), "Vendor specific");
  t.is(
    formatDesignator({ type: 3, codeSet: 1, association: 0, value: bytes("3123456789abcdef") }),
    "naa.3123456789abcdef",
  );
});
