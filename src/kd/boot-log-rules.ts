/** Who prints a line: Microsoft's boot part and port driver of the iSCSI initiator, or sanbootconf. */
export type BootDriver = "iscsibp" | "iscsiprt" | "sanbootconf";

export interface BootRule {
  readonly driver: BootDriver;
  readonly kind: string;
  readonly pattern: RegExp;
}

const mac = String.raw`(?:[0-9a-f]{2}:){5}[0-9a-f]{2}`;
const address = String.raw`\d+\.\d+\.\d+\.\d+`;
const status = "[0-9a-f]{1,8}";
const disk = (name: string) =>
  String.raw`(?:MBR (?<${name}Mbr>[0-9a-f]{8})|GPT (?<${name}Gpt>\S+)|<unknown>)`;

const rules = (driver: BootDriver, table: Readonly<Record<string, string | readonly string[]>>) =>
  Object.entries(table).flatMap(([kind, patterns]) =>
    [patterns].flat().map((pattern): BootRule => ({
      driver,
      kind,
      pattern: new RegExp(String.raw`^\s*${pattern}\s*$`),
    })),
  );

/** sanbootconf 0.9.1 (then called iSCSI boot parameter driver) to 1.2.0, by its source. */
const sanbootconf = rules("sanbootconf", {
  start: ["SAN Boot Configuration Driver initialising", "iSCSI Boot Parameter Driver initialising"],
  initialised: "iSCSI Boot Parameter Driver initialisation complete",
  "start-options": "SystemStartOptions are (?<options>.*)",
  "graphical-boot": "Graphical boot is (?<value>enabled|disabled)",
  "boot-text": "Boot screen text is (?<value>enabled|disabled)",
  failed: [
    `(?<what>Could not (?:open|read|load|create|fetch|get|store|allocate|map|build)\\b.*?)(?:: (?<status>${status}))?`,
    `(?<what>IRP failed to .*): (?<status>${status})`,
    '(?<what>Bad size [0-9a-f]+ for dword ".*")',
    "(?<what>Unrecognised IoControl [0-9a-f]+)",
  ],
  table: [
    'Found ACPI table "(?<signature>.{4})" at (?<physical>[0-9a-f]{5,8}) OEM ID "(?<oemId>[^"]*)" OEM table ID "(?<oemTableId>[^"]*)"',
    'Found (?<signature>iBFT) at (?<physical>[0-9a-f]{5,8}) OEM ID "(?<oemId>[^"]*)" OEM table ID "(?<oemTableId>[^"]*)"',
  ],
  "no-table": "No (?<signature>iBFT|aBFT|sBFT) found",
  "boot-via": "(?<protocol>iSCSI|AoE|SRP) boot via (?<firmware>.*)",
  warning: "WARNING: (?<text>.*)",
  section: "Found iBFT (?<section>Initiator|NIC|target) (?<index>\\d+):",
  "nic-found": `Found NIC with MAC address (?<mac>${mac}) at "(?<interface>.*)"`,
  "nic-interface": `(?:iBFT NIC (?<index>\\d+)|NIC (?<mac>${mac})) is interface "(?<interface>.*)"`,
  "nic-pdo": `(?:iBFT NIC (?<index>\\d+)|NIC (?<mac>${mac})) is PDO (?<pdo>[0-9A-Fa-f]+)`,
  "nic-instance": `(?:iBFT NIC (?<index>\\d+)|NIC (?<mac>${mac})) is NetCfgInstanceId "(?<instance>.*)"`,
  "nic-missing": `ERROR: (?<mac>${mac}) not found`,
  "nic-configured": "Successfully configured iBFT NIC (?<index>\\d+)",
  "nic-not-configured": `Could not configure iBFT NIC (?<index>\\d+): (?<status>${status})`,
  "nic-summary": `(?<mac>${mac}) (?<ip>${address})/(?<mask>[\\d.]+) gw (?<gateway>${address})`,
  "target-summary": `(?<ip>${address}) (?<name>(?:iqn|eui|naa)\\..+)`,
  "initiator-summary": "(?<name>(?:iqn|eui|naa)\\.\\S+)",
  "targets-attached": "Found (?<count>\\d+) target\\(s\\) directly attached via iBFT NIC (?<index>\\d+)",
  "gateway-amended": `Amending gateway for iBFT NIC (?<index>\\d+) from (?<from>${address}) to (?<to>${address})`,
  "aoe-target": "Found aBFT target e(?<major>\\d+)\\.(?<minor>\\d+)",
  "aoe-nic": `Found aBFT NIC (?<mac>${mac})`,
  "aoe-summary": `NIC (?<mac>${mac}) target e(?<major>\\d+)\\.(?<minor>\\d+)`,
  "aoe-result": "(?<result>Successfully identified|Could not identify) aBFT NIC",
  "srp-subtable": "Found sBFT (?<subtable>SCSI|SRP|IB) subtable:",
  "san-boot": "Attempting SAN boot; will wait for system disk",
  "no-san-boot": "No SAN boot method detected",
  requested: ["(?<signature>iBFT|aBFT|sBFT) requested", "iSCSI boot parameters requested"],
  unavailable: "No (?<signature>iBFT|aBFT|sBFT) available!",
  "disk-wait": "Waiting for SAN system disk \\(attempt (?<attempt>\\d+)\\)",
  "disk-wanted": `System disk is ${disk("system")}, boot disk is ${disk("boot")}`,
  "disk-seen": [
    '(?:MBR (?<mbr>[0-9a-f]{8})|GPT (?<gpt>\\S+)|Unhandled disk style (?<style>\\d+)): "(?<disk>.*)"',
    `Disk unavailable \\((?<status>${status})\\): "(?<disk>.*)"`,
  ],
  "disk-matched": 'Found system disk at "(?<disk>.*)"',
  "disk-found": "Found SAN system disk; proceeding with boot",
  "disk-given-up": "Giving up waiting for SAN system disk",
});

/** The checked build of Microsoft's initiator for Windows 2003 and XP, by the published logs of it. */
const initiator = [
  ...rules("iscsibp", {
    start: "IscsiBP-IscsiBPInitialize: enter",
    end: "IscsiBP-IscsiBPInitialize: exit",
    table: "IscsiBP iBF table found at (?<virtual>[0-9A-F]+) \\((?<mapped>[0-9A-F]+)\\)",
    "table-copied": "IscsiBP iBF table copied to (?<virtual>[0-9A-F]+)",
    "nic-found": "IscsiBP Found device (?<interface>\\S+)",
    "nic-address": `IscsiBP Handle (?<handle>[0-9A-F]+) has IpAddress (?<ip>${address})`,
    "mask-bytes": "Subnetmask Prefix - (?<prefix>\\d+) is (?<bytes>(?:[0-9a-f]{2} ?)+)",
    "nic-mask": `IscsiBP Handle (?<handle>[0-9A-F]+) has SubnetMask (?<mask>${address})`,
    "nic-gateway": `IscsiBP Handle (?<handle>[0-9A-F]+) has DefaultGateway (?<gateway>${address})`,
    "nic-result": "IscsiBP nic (?<index>\\d+) config -> (?<status>[0-9A-Fa-f]+)",
  }),
  ...rules("iscsiprt", {
    parameters: "Found iSCSI Boot Parameters at (?<virtual>[0-9A-F]+), attempting iSCSI boot",
    "boot-pool": "Allocating the Boot Connection Pool of size (?<size>\\d+)",
    pool: "Allocating Connection Pool (?<virtual>[0-9A-F]+)",
    "pool-entry": "Allocating the Boot Connection Pool entry (?<index>\\d+) (?<result>\\w+)",
    waiting: "Waiting (?<seconds>\\d+) seconds for boot disk",
    worker: "iSpSystemWorkerThread: +(?<step>Entering|Coming out of wait|After Logon Completion Thread)",
    logon: "iSpSystemWorkerThread: +Start Logon Completion Thread (?<virtual>[0-9A-F]+)",
    delay: "Delay (?<seconds>\\d+) seconds for Disk to arrive\\.*",
    "bus-change": "Will notify BusChangeDetected",
    "delay-over": "Delay for Disk Complete, continue with boot",
    "nic-bus": "NIC device (?<interface>\\S+) has (?<bus>\\w+) bus type",
    "boot-status":
      "ISCSI Boot Status (?<status>[0-9A-Fa-fx]+), \\((?<details>[0-9A-Fa-fx]+(?:, [0-9A-Fa-fx]+)*)\\)",
  }),
];

/** In order: the first that fits counts. A failed NIC is more particular than what failed in general. */
export const bootRules: readonly BootRule[] = [...initiator, ...sanbootconf].sort(
  (one, other) => Number(one.kind === "failed") - Number(other.kind === "failed"),
);
