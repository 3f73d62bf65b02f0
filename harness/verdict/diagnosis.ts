import type { Observation } from "#harness/observe";
import type { BootFacts } from "./boot-facts.ts";
import { isScreenText } from "./describe.ts";
import { tableOutOfReach, wrongTable } from "./diagnose-table.ts";
import { loginRefusal } from "./login-refusal.ts";
import type { Confidence } from "./verdict.ts";
import { gatewayDetour, refusedSecret, wrongFirstNic } from "./table-on-windows.ts";
import { kernelNeverSpoke, windowsRules } from "./windows-rules.ts";

/** Why a boot went no further. */
export interface Diagnosis {
  readonly class: string | null;
  readonly confidence: Confidence;
  /** Follows "reached P11, not login: ". */
  readonly cause: string;
  readonly advice: string;
  readonly evidence: readonly Observation[];
}

type Rule = (facts: BootFacts) => Diagnosis | undefined;

/**
 * The rules in the order of a boot: each looks at the hand of the boot that it is about and is silent where that hand
 * did its part. The first that speaks gives the diagnosis.
 */
const rules: readonly Rule[] = [
  noFrame,
  noAddress,
  firmwareError,
  noConnection,
  refusedLogin("firmware"),
  scsiTrouble,
  noBootFile,
  kernelNeverSpoke,
  sanDropped,
  wrongTable,
  noTable,
  tableOutOfReach,
  refusedSecret,
  kernelSilent,
  wrongFirstNic,
  gatewayDetour,
  kernelUnreachable,
  refusedLogin("system"),
  diskMissing,
  panic,
  silence,
];

/** Those for a kernel whose debugger or emergency console is listened to. */
const toldRules = windowsRules([
  wrongTable,
  whereWatched(noTable),
  refusedLogin("system"),
  refusedSecret,
  wrongFirstNic,
  gatewayDetour,
  whereFramesCame(kernelUnreachable),
]);

/** The first rule that explains what was seen; undefined where none does. */
export function diagnose(facts: BootFacts): Diagnosis | undefined {
  for (const rule of facts.kd.kernel === undefined ? rules : toldRules) {
    const diagnosis = rule(facts);
    if (diagnosis !== undefined) return diagnosis;
  }
  return undefined;
}

/** What was not seen says something only where somebody looked. */
function whereWatched(rule: Rule): Rule {
  return (facts) => (facts.all.some(({ source }) => source === "wire") ? rule(facts) : undefined);
}

/** A driver's word that its card is up says nothing about where its frames go. */
function whereFramesCame(rule: Rule): Rule {
  return (facts) => (facts.framesAfterHandOver.length === 0 ? undefined : rule(facts));
}

function noFrame({ reached, all }: BootFacts): Diagnosis | undefined {
  if (reached.size > 0) return undefined;
  return {
    class: "LINK-DOWN",
    confidence: "guess",
    cause: "no frame ever came from the guest's NIC",
    advice: "See screen.png: the firmware found no boot ROM for this NIC, or the NIC has no link.",
    evidence: all.filter(isScreenText).slice(-3),
  };
}

function noAddress({ reached, all, firmware }: BootFacts): Diagnosis | undefined {
  if (reached.has("P1") || firmware !== undefined) return undefined;
  const asked = all.filter((one) => one.source === "wire" && one.kind === "dhcp");
  if (asked.length === 0) return undefined;
  return {
    class: "DHCP-NO-ANSWER",
    confidence: "certain",
    cause: "the firmware asked for an address and got none",
    advice: "No DHCP server answers on this wire, or its answer does not reach the NIC.",
    evidence: asked.slice(0, 3),
  };
}

/** iPXE gives each of its errors an address of its own, which is on the screen. */
function firmwareError({ all, firmware }: BootFacts): Diagnosis | undefined {
  if (firmware !== undefined) return undefined;
  for (const observation of all) {
    if (!isScreenText(observation)) continue;
    const lines = observation.data["lines"] as readonly string[];
    const code = /ipxe\.org\/([0-9a-f]{6})/.exec(lines.join("\n"))?.[1];
    const cause = code === undefined ? undefined : rootPathErrors[code];
    if (cause !== undefined) {
      return {
        class: "SAN-URI-WRONG",
        confidence: "certain",
        cause,
        advice: "The root path must be iscsi:server:protocol:port:lun:target, the LUN in hexadecimal.",
        evidence: [observation],
      };
    }
  }
  return undefined;
}

const rootPathErrors: Readonly<Record<string, string>> = {
  "1c0d61": "the firmware finds the root path too short",
  "1c0d63": "the firmware got no root path",
  "1c0d64": "the root path names no target",
  "1c0d65": "the firmware has no initiator name",
  "2d0c61": "the boot file was not found by HTTP",
};

function noConnection({ reached, all, firmware, plan }: BootFacts): Diagnosis | undefined {
  if (firmware !== undefined || !reached.has("P1")) return undefined;
  const tried = all.filter(
    (one) => one.source === "wire" && one.kind === "tcp-syn" && one.data["toPort"] === plan.portal.port,
  );
  if (tried.length === 0) return undefined;
  const refused = all.find(
    (one) => one.source === "wire" && one.kind === "tcp-rst" && one.data["fromPort"] === plan.portal.port,
  );
  const where = `${plan.portal.host}:${plan.portal.port}`;
  return {
    class: "TCP-UNREACHABLE",
    confidence: "certain",
    cause:
      refused === undefined
        ? `the firmware's connection to ${where} was not answered`
        : `${where} refused the firmware's connection`,
    advice: `Nothing listens at ${where}, or a firewall, VLAN or route is in between.`,
    evidence: [...tried.slice(0, 2), ...(refused ? [refused] : [])],
  };
}

function refusedLogin(whose: "firmware" | "system"): Rule {
  return (facts) => {
    const session = facts[whose];
    const refused = session?.refused;
    if (session === undefined || refused === undefined || session.fullFeatureAt !== undefined)
      return undefined;
    const who = whose === "firmware" ? "the firmware's" : "the kernel's";
    const { class: name, words, advice } = loginRefusal(refused.class, refused.detail);
    return {
      class: name,
      confidence: "certain",
      cause: `the target refused ${who} login: ${words}`,
      advice: advice(session),
      evidence: facts.all.filter((one) => one.kind === "iscsi-login-response" && one.t === refused.t),
    };
  };
}

function scsiTrouble({ firmware, reached, all }: BootFacts): Diagnosis | undefined {
  const trouble = firmware?.trouble;
  if (trouble === undefined || reached.has("P9")) return undefined;
  const wrongLun = trouble.asc === 0x25;
  return {
    class: wrongLun ? "LUN-MISMATCH" : "SCSI-ERROR",
    confidence: wrongLun ? "certain" : "likely",
    cause: wrongLun ? "the target has no such LUN" : trouble.text,
    advice: wrongLun
      ? "Compare the LUN of the root path (hexadecimal) with what 'sanlab iscsi info' lists."
      : "The target answered the firmware with an error; see its own log.",
    evidence: all.filter((one) => one.t === trouble.t && one.source === "wire"),
  };
}

function noBootFile({ firmware, reached, all }: BootFacts): Diagnosis | undefined {
  if (firmware?.bootSectorAt === undefined || reached.has("P9") || firmware.pastBootSectorAt !== undefined)
    return undefined;
  return {
    class: "NO-BOOTFILE",
    confidence: "likely",
    cause: "the firmware read the boot sector and nothing behind it",
    advice: "The disk has no boot loader in its MBR (BIOS) or no \\EFI\\BOOT\\BOOTX64.EFI (UEFI).",
    evidence: all.filter(isScreenText).slice(-2),
  };
}

function sanDropped({ firmware, reached, all }: BootFacts): Diagnosis | undefined {
  if (firmware?.closedAt === undefined || firmware.fullFeatureAt === undefined || reached.has("P10"))
    return undefined;
  return {
    class: "SAN-DROP",
    confidence: "likely",
    cause: "the firmware's session ended while the boot loader was reading",
    advice: "The connection to the target was lost during boot: look at the target, the link and net.pcap.",
    evidence: all.filter((one) => one.t === firmware.closedAt && one.source === "wire"),
  };
}

function noTable({ reached, markers, ibft }: BootFacts): Diagnosis | undefined {
  if (!reached.has("P10") || reached.has("P11") || reached.has("P12") || ibft !== undefined) return undefined;
  return {
    class: "OS-NO-BOOT-PARAMS",
    confidence: "certain",
    cause: "no iBFT lies in guest memory, so the kernel could not find one",
    advice:
      "The firmware did not describe its SAN disk to the system: sanhook --no-describe, or a boot that is not from the SAN.",
    evidence: [markers.get("ibftMissing"), markers.get("kernelStarted")].filter((one) => one !== undefined),
  };
}

function kernelSilent({
  reached,
  framesAfterHandOver,
  markers,
  end,
  ibft,
}: BootFacts): Diagnosis | undefined {
  if (!reached.has("P11") || framesAfterHandOver.length > 0) return undefined;
  return {
    class: "NIC-DRIVER-ABSENT",
    confidence: markers.has("nicMissing") ? "certain" : "likely",
    cause:
      "the kernel found the iBFT, but no frame came from the guest's MAC after hand-over except the end of the firmware's own connection",
    advice:
      "The system has no driver for the boot NIC, or does not start it early enough: put it into the image, or use a NIC that the system knows (--nic e1000).",
    evidence: [markers.get("ibftFound"), markers.get("nicMissing"), ibft, end?.observation].filter(
      (one) => one !== undefined,
    ),
  };
}

function kernelUnreachable({ reached, system, framesAfterHandOver, plan }: BootFacts): Diagnosis | undefined {
  if (!reached.has("P12") || system !== undefined) return undefined;
  const syns = framesAfterHandOver.filter((one) => one.kind === "tcp-syn");
  const where = `${plan.portal.host}:${plan.portal.port}`;
  return {
    class: "TCP-UNREACHABLE",
    confidence: "guess",
    cause:
      syns.length > 0
        ? `the kernel's connection to ${where} was not answered`
        : `the kernel's NIC came up, but it never connected to ${where}`,
    advice: "Look at the addresses that the kernel gave its NIC in serial.log.",
    evidence: framesAfterHandOver.slice(0, 4),
  };
}

function diskMissing({ reached, system, all }: BootFacts): Diagnosis | undefined {
  if (system?.fullFeatureAt === undefined || reached.has("P16")) return undefined;
  return {
    class: "HANDOVER-NO-DISK",
    confidence: "likely",
    cause: `the kernel's initiator logged in, but ${reached.has("P15") ? "its root was never mounted" : "no disk arrived"}`,
    advice: "Compare the LUN and the disk's signature with what the system looks for.",
    evidence: all.filter((one) => one.source === "serial").slice(-3),
  };
}

function panic({ markers }: BootFacts): Diagnosis | undefined {
  const seen = markers.get("panic");
  if (seen === undefined) return undefined;
  return {
    class: "KERNEL-PANIC",
    confidence: "certain",
    cause: `the kernel ended: ${String(seen.data["line"])}`,
    advice: "See serial.log.",
    evidence: [seen],
  };
}

function silence({ all, end }: BootFacts): Diagnosis | undefined {
  const last = all.findLast((one) => one.source === "serial" || one.source === "wire" || isScreenText(one));
  if (end?.reason !== "timeout" || last === undefined) return undefined;
  return {
    class: "HANG",
    confidence: "guess",
    cause: "the guest went no further before the time was up",
    advice: "See screen.png and serial.log; --timeout gives it longer.",
    evidence: [last],
  };
}
