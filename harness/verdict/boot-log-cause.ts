import type { Observation } from "#harness/observe";
import type { BootFacts } from "./boot-facts.ts";
import type { Diagnosis } from "./diagnosis.ts";
import { factOf, isZero } from "./kd-facts.ts";

/** NTSTATUS of a card that was looked for and is not there. */
const noSuchFile = 0xc000_000f;

/**
 * Why a boot fails by what the boot drivers printed: the first of their steps that did not succeed. Undefined where they
 * printed nothing, or nothing that is wrong.
 */
export function bootLogCause(facts: BootFacts): Diagnosis | undefined {
  if (facts.kd.log.length === 0) return undefined;
  for (const step of steps) {
    const found = step(facts);
    if (found !== undefined) return found;
  }
  return undefined;
}

const steps = [tableMissing, cardMissing, cardRefused, portalSilent, loginFailed, diskUnknown] as const;

function tableMissing({ kd, ibft }: BootFacts): Diagnosis | undefined {
  const none =
    line(kd.log, "no-table", ({ signature }) => signature === "iBFT") ?? line(kd.log, "no-san-boot");
  const entered = none ?? line(kd.log, "start");
  if (entered === undefined || line(kd.log, "table") !== undefined) return undefined;
  // Microsoft's driver does not say that it found none: only what comes after it shows that it is done.
  if (none === undefined && line(kd.log, "end") === undefined) return undefined;
  if (ibft === undefined)
    return {
      class: "OS-NO-BOOT-PARAMS",
      confidence: "likely",
      cause: "the boot driver found no iBFT, and none was seen in memory",
      advice:
        "The firmware did not describe its SAN disk: sanhook --no-describe, or a boot that is not from the SAN.",
      evidence: [entered],
    };
  return {
    class: "IBFT-LOCATION",
    confidence: "certain",
    cause: `an iBFT lies at 0x${Number(ibft.data["address"]).toString(16)}, but the boot driver did not find it`,
    advice:
      "Drivers for Windows 2000 to 2003 scan base memory only: boot on a BIOS, with the table below 640 KiB.",
    evidence: [entered, ibft],
  };
}

function cardMissing({ kd }: BootFacts): Diagnosis | undefined {
  const refused = line(
    kd.log,
    "nic-not-configured",
    ({ status }) => Number.parseInt(status ?? "", 16) === noSuchFile,
  );
  // Windows keeps a list of network cards only where at least one was started.
  const noList = line(kd.log, "failed", ({ what }) => what === "Could not fetch NIC list");
  const missing = line(kd.log, "nic-missing") ?? refused ?? noList;
  const tableOnly =
    line(kd.log, "table") !== undefined &&
    line(kd.log, "nic-found") === undefined &&
    kd.log.some((one) => one.data["driver"] === "iscsibp" && factOf(one).kind === "end");
  if (missing === undefined && !tableOnly) return undefined;
  const others = kd.log.filter((one) => factOf(one).kind === "nic-found");
  const mac = missing === undefined ? undefined : factOf(missing).values["mac"];
  const card = mac === undefined ? "the iBFT's NIC" : `the iBFT's NIC ${mac}`;
  const evidence = [missing, refused === missing ? undefined : refused, ...others.slice(0, 2)].filter(
    (one) => one !== undefined,
  );
  if (others.length > 0)
    return {
      class: "NIC-NOT-VISIBLE",
      confidence: "certain",
      cause: `the system has network cards, but none is ${card}`,
      advice:
        "The table names a card that the system does not start: compare MAC and PCI address with its other cards.",
      evidence,
    };
  return {
    class: "NIC-DRIVER-ABSENT",
    confidence: missing === undefined || missing === noList ? "likely" : "certain",
    cause: `the boot driver found no network card at all where it looked for ${card}`,
    advice:
      "The system has no driver for this card that starts at boot: put one into the image before it is imaged, with Start=0 and, up to Windows 7, its CriticalDeviceDatabase entry; or use a card that it knows (nics: model).",
    evidence,
  };
}

function cardRefused({ kd }: BootFacts): Diagnosis | undefined {
  const refused =
    line(kd.log, "nic-not-configured") ?? line(kd.log, "nic-result", ({ status }) => !isZero(status));
  if (refused === undefined) return undefined;
  const { status } = factOf(refused).values;
  return {
    class: null,
    confidence: "certain",
    cause: `the boot driver could not configure the network card (status ${status ?? "?"})`,
    advice: "The card is there; see kd.txt for what the driver did before.",
    evidence: [refused],
  };
}

function portalSilent({ kd, system, plan, end }: BootFacts): Diagnosis | undefined {
  const begun = line(kd.log, "parameters");
  if (begun === undefined || system !== undefined || end === undefined) return undefined;
  if (["logon", "boot-status", "disk-found", "disk-matched"].some((kind) => line(kd.log, kind) !== undefined))
    return undefined;
  return {
    class: "TCP-UNREACHABLE",
    confidence: "likely",
    cause: `the initiator began, but did not come to a login at ${plan.portal.host}:${plan.portal.port}`,
    advice:
      "Its card, address, gateway or VLAN does not lead to the portal: compare the table with net.pcap.",
    evidence: [begun],
  };
}

/** Status words of Microsoft's initiator (iscsierr.h), by their low half. */
const statusClasses: Readonly<Record<number, readonly [name: string | null, words: string]>> = {
  0x0002: [null, "the login failed"],
  0x0003: ["TCP-UNREACHABLE", "no connection came about"],
  0x0006: ["REDIRECT", "the target has moved for a while"],
  0x0007: ["REDIRECT", "the target has moved for good"],
  0x0009: ["CHAP-REJECT", "authentication failed"],
  0x000a: ["INITIATOR-NAME", "the initiator is not authorised"],
  0x000b: ["TARGET-NOT-FOUND", "there is no such target"],
  0x000c: ["TARGET-NOT-FOUND", "the target has been removed"],
  0x000e: ["SESSION-LIMIT", "too many connections"],
  0x000f: ["PARAM-REJECT", "a parameter is missing"],
};

function loginFailed({ kd }: BootFacts): Diagnosis | undefined {
  const status = line(kd.log, "boot-status", (values) => !isZero(values["status"]));
  if (status === undefined) return undefined;
  const code = Number.parseInt(factOf(status).values["status"] ?? "", 16);
  const [name, words] = statusClasses[code & 0xffff] ?? [null, "its login did not succeed"];
  return {
    class: name,
    confidence: name === null ? "guess" : "likely",
    cause: `Microsoft's initiator reports status 0x${code.toString(16)}: ${words}`,
    advice:
      "Compare the table's target, names and secret with what the target expects; net.pcap has the login.",
    evidence: [status],
  };
}

/** sanbootconf waits for the disk whose signature the boot loader has booted from. */
function diskUnknown({ kd, system }: BootFacts): Diagnosis | undefined {
  if (line(kd.log, "disk-found") !== undefined || line(kd.log, "disk-matched") !== undefined)
    return undefined;
  const givenUp = line(kd.log, "disk-given-up");
  const waits = kd.log.filter((one) => factOf(one).kind === "disk-wait");
  const begun = line(kd.log, "logon");
  const ended = line(kd.log, "boot-status");
  const last = givenUp ?? waits.at(-1) ?? (ended === undefined ? begun : undefined);
  if (last === undefined) return undefined;
  const disks = [...new Set(kd.log.flatMap((one) => signatureOf(factOf(one), "")))];
  const wanted = [...new Set(kd.log.flatMap((one) => signatureOf(factOf(one), "system")))];
  const what =
    disks.length > 0
      ? `the system looks for disk ${wanted.join(" or ") || "?"} and has ${disks.join(", ")}`
      : system?.fullFeatureAt === undefined
        ? "no disk came, and the target has seen no login of the system's own"
        : "the system has logged in, but no disk came";
  return {
    class: "HANDOVER-NO-DISK",
    confidence: givenUp === undefined ? "likely" : "certain",
    cause: waits.length === 0 ? what : `${what}, after ${waits.length} attempts`,
    advice:
      disks.length > 0
        ? "The disk that was booted is not the one that the system was told of: compare disk signatures and LUN."
        : "Compare the table's target and LUN with the target's; look for the system's own login in net.pcap.",
    evidence: [last],
  };
}

function signatureOf({ kind, values }: ReturnType<typeof factOf>, whose: "" | "system"): readonly string[] {
  const [mbr, gpt] =
    whose === "" ? [values["mbr"], values["gpt"]] : [values["systemMbr"], values["systemGpt"]];
  if (kind !== (whose === "" ? "disk-seen" : "disk-wanted")) return [];
  return [mbr === undefined ? gpt : `MBR ${mbr}`].filter((one) => one !== undefined);
}

/** The first line of a kind whose values fit. */
function line(
  log: readonly Observation[],
  kind: string,
  fits: (values: Readonly<Record<string, string | undefined>>) => boolean = () => true,
): Observation | undefined {
  return log.find((one) => {
    const fact = factOf(one);
    return fact.kind === kind && fits(fact.values);
  });
}
