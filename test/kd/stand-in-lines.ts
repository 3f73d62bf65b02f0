export interface PrintedValues {
  readonly at: string;
  readonly oemId: string;
  readonly oemTableId: string;
  readonly initiator: string;
  readonly ip: string;
  readonly origin: number;
  readonly gateway: string;
  readonly dns: string;
  readonly dhcp: string;
  readonly mac: string;
  readonly pci: string;
  readonly hostname: string;
  /** What comes behind `PCI#` and before the first `#{`. */
  readonly card: string;
  readonly targetIp: string;
  readonly target: string;
}

/** What a kernel says that is no driver's line: its own words for what a debugger is told. */
const debuggers =
  /^(ModLoad: |Kernel |Connected |start |[0-9a-f]{8} [0-9a-f]{8} |Break |at [0-9a-f]{8},|Processes: )/;

/** The lines of drivers in a transcript, without the addresses that their memory has. */
export function driverLines(transcript: readonly string[]): readonly string[] {
  return transcript
    .filter((line) => !debuggers.test(line))
    .map((line) => line.replace(/\b8[0-9A-F]{7}\b/, "…"));
}

/** The published transcript of sanbootconf and iScsiPrt, from its first to its last line, with other values. */
export function publishedLines(values: PrintedValues): readonly string[] {
  const instance = `{5A4E4C42-0000-4000-8000-${values.mac.replaceAll(":", "").toUpperCase()}}`;
  const card = `\\??\\PCI#${values.card}#{ad498944-762f-11d0-8dcb-00c04fc3358c}\\${instance}`;
  return [
    "iSCSI Boot Parameter Driver initialising",
    `Found iBFT at ${values.at} OEM ID "${values.oemId}" OEM table ID "${values.oemTableId}"`,
    "Found iBFT Initiator 0:",
    "  Flags = 0x3, valid, boot selected",
    "  iSNS = 0.0.0.0",
    "  SLP = 0.0.0.0",
    "  Radius = 0.0.0.0, 0.0.0.0",
    `  Name = ${values.initiator}`,
    "Found iBFT NIC 0:",
    "  Flags = 0x3, valid, boot selected",
    `  IP = ${values.ip}/24`,
    `  Origin = ${values.origin}`,
    `  Gateway = ${values.gateway}`,
    `  DNS = ${values.dns}, 0.0.0.0`,
    `  DHCP = ${values.dhcp}`,
    "  VLAN = 0000",
    `  MAC = ${values.mac}`,
    `  PCI = ${values.pci}`,
    `  Hostname = ${values.hostname}`,
    `Found NIC with MAC address ${values.mac} at "${card}"`,
    `iBFT NIC 0 is interface "${card}"`,
    "iBFT NIC 0 is PDO …",
    `iBFT NIC 0 is NetCfgInstanceId "${instance}"`,
    "Found iBFT target 0:",
    "  Flags = 0x3, valid, boot selected",
    `  IP = ${values.targetIp}`,
    "  Port = 3260",
    "  LUN = 0000-0000-0000-0000",
    "  CHAP type = 0 (None)",
    "  NIC = 0",
    `  Name = ${values.target}`,
    "  CHAP name = ",
    "  CHAP secret = ",
    "  Reverse CHAP name = ",
    "  Reverse CHAP secret = ",
    "iSCSI Boot Parameter Driver initialisation complete",
    "iSCSI boot parameters requested",
    "iSCSI boot parameters requested",
    "Found iSCSI Boot Parameters at …, attempting iSCSI boot",
    "Allocating the Boot Connection Pool of size 30",
    "Allocating Connection Pool …",
    ...Array.from({ length: 30 }, (_, i) => `Allocating the Boot Connection Pool entry ${i} SUCCESS`),
    "Waiting 60 seconds for boot disk",
    "iSpSystemWorkerThread: Entering",
    "iSpSystemWorkerThread:  Coming out of wait",
    "iSpSystemWorkerThread: Start Logon Completion Thread …",
    "Delay 10 seconds for Disk to arrive.......",
    "iSpSystemWorkerThread:  After Logon Completion Thread",
    "Will notify BusChangeDetected",
    "Delay for Disk Complete, continue with boot",
    "ISCSI Boot Status 0, (0, 0, 0, 0)",
  ];
}
