import type { Observation } from "#harness/observe";
import type { BootFacts } from "./boot-facts.ts";
import { bootLogCause } from "./boot-log-cause.ts";
import { describeObservation } from "./describe.ts";
import type { Diagnosis } from "./diagnosis.ts";

type Rule = (facts: BootFacts) => Diagnosis | undefined;

/**
 * Rules for a boot whose kernel speaks to its debugger or emergency console, so that the firmware has done its part. The
 * rules given are those on the system's way to its disk, as the wire shows them.
 */
export function windowsRules(onTheWire: readonly Rule[]): readonly Rule[] {
  const way = [bootLogCause, ...onTheWire, noFrameFromSystem, noDisk];
  return [crash(way), restart, ...way, hang];
}

/** The port has a debugger at its other end, and no kernel has spoken to it. */
export function kernelNeverSpoke({ kd, reached, system, end }: BootFacts): Diagnosis | undefined {
  if (!kd.attached || kd.spoke !== undefined || end === undefined) return undefined;
  if (!reached.has("P8") && system === undefined) return undefined;
  const runs = system?.fullFeatureAt !== undefined;
  const port = kd.text.length === 0 ? "nothing came" : "only text came, not one packet,";
  return {
    class: "KD-SILENT",
    confidence: runs ? "certain" : "likely",
    cause: runs
      ? `the system runs (it has logged in to the target), but ${port} over its debugger's port`
      : `${port} over the debugger's port: debugging is off or on another port, or no kernel ever ran`,
    advice:
      "Switch debugging on in the image: bcdedit /debug on and /dbgsettings serial debugport:1 baudrate:115200, or in boot.ini /debug /debugport=com1 /baudrate=115200; serials: in guest.yaml says which port is the debugger's. See screen.png.",
    evidence: kd.text.slice(-3),
  };
}

/** Bugchecks by which a system says that something is wrong with its disk or what is on it. */
const crashClasses: Readonly<Record<number, readonly [name: string, cause: string, advice: string]>> = {
  0x50: [
    "BUGCHECK-50",
    "a driver used memory that is not there, or the page file is on the SAN disk",
    "On a first boot from a SAN: empty PagingFiles in every control set; switch the driver verifier off.",
  ],
  0x69: [
    "BUGCHECK-69",
    "the disk was lost before the system had begun to use it",
    "Look for the lost session in net.pcap.",
  ],
  0x74: [
    "BUGCHECK-74",
    "the registry cannot be read",
    "Restore the SYSTEM hive of the image from its backup.",
  ],
  0x7e: [
    "BUGCHECK-7E",
    "a driver failed",
    "kd.txt has the modules: look for storage and network drivers that are not the system's own.",
  ],
  0xed: [
    "BUGCHECK-7B-FS",
    "the disk is there, but its volume cannot be mounted",
    "Check the file system from another machine.",
  ],
};
const lostDisk = [
  "BUGCHECK-7A",
  "the system lost its disk while it ran",
  "Look for the lost session in net.pcap; raise the initiator's LinkDownTime and MaxRequestHoldTime.",
] as const;
const lostDiskCodes = new Set([0x77, 0x7a, 0xef, 0xf4, 0xc000_0135, 0xc000_021a, 0xc000_0221]);
const inaccessibleBootDevice = 0x7b;
/** What the second parameter of 0x7B is where the device is there and its volume cannot be mounted. */
const mountStatuses = new Set([0, 0xc000_014f, 0xc000_0032, 0xc000_0102]);

function crash(way: readonly Rule[]): Rule {
  return (facts) => {
    const bugcheck = facts.kd.bugcheck;
    if (bugcheck === undefined) return undefined;
    const code = Number(bugcheck.data["code"] ?? Number.NaN) >>> 0;
    const words = crashWords(bugcheck, code);
    if (code !== inaccessibleBootDevice) {
      const [name, cause, advice] = lostDiskCodes.has(code)
        ? lostDisk
        : (crashClasses[code] ?? [
            Number.isNaN(Number(bugcheck.data["code"] ?? Number.NaN))
              ? "BUGCHECK"
              : `BUGCHECK-${code.toString(16).toUpperCase()}`,
            "the system stopped itself",
            "kd.txt and screen.png have what it said.",
          ]);
      return { class: name, confidence: "likely", cause: `${words}: ${cause}`, advice, evidence: [bugcheck] };
    }
    for (const rule of way) {
      const found = rule(facts);
      // Where the wire or the drivers say why there was no disk, that is the cause and 0x7B only its face.
      if (found !== undefined)
        return {
          ...found,
          cause: `${found.cause}; so it ended in ${words}`,
          evidence: [...found.evidence, bugcheck],
        };
    }
    return inaccessible(bugcheck, words);
  };
}

function inaccessible(bugcheck: Observation, words: string): Diagnosis {
  const status = (bugcheck.data["parameters"] as readonly string[] | undefined)?.[1];
  const mounted = status !== undefined && mountStatuses.has(Number(BigInt.asUintN(32, BigInt(status))));
  return mounted
    ? {
        class: "BUGCHECK-7B-FS",
        confidence: "likely",
        cause: `${words}: the boot device is there, but its volume cannot be mounted`,
        advice: "Check the file system from another machine.",
        evidence: [bugcheck],
      }
    : {
        class: "BUGCHECK-7B-NODEV",
        confidence: "likely",
        cause: `${words}: the system found no boot device`,
        advice:
          "The system's own initiator did not bring its disk: is it installed for boot (iScsiPrt and the NIC with Start=0), and do target, LUN and disk signature agree?",
        evidence: [bugcheck],
      };
}

function crashWords({ data }: Observation, code: number): string {
  if (data["code"] === undefined) return "a bugcheck";
  const name = typeof data["name"] === "string" ? ` ${data["name"]}` : "";
  const status = typeof data["status"] === "string" ? ` (${data["status"]})` : "";
  return `bugcheck 0x${code.toString(16).toUpperCase()}${name}${status}`;
}

/** The system's drivers do not say what card they have, and no frame came from it. */
function noFrameFromSystem({
  kd,
  framesAfterHandOver,
  all,
  end,
  reached,
  ibft,
}: BootFacts): Diagnosis | undefined {
  if (framesAfterHandOver.length > 0 || reached.has("P12") || end === undefined) return undefined;
  if (!all.some(({ source }) => source === "wire")) return undefined;
  if (kd.log.some(({ data }) => data["kind"] === "nic-found")) return undefined;
  return {
    class: "NIC-DRIVER-ABSENT",
    confidence: "likely",
    cause:
      "the kernel runs, but no frame came from the guest's MAC after hand-over except the end of the firmware's own connection",
    advice:
      "The system has no driver for the boot NIC, or does not start it early enough (Start=0 with all that it depends on; up to Windows 7 also a CriticalDeviceDatabase entry), or it did not find the table: use a NIC that the system knows (nics: model).",
    evidence: [kd.kernel, ibft, end.observation].filter((one) => one !== undefined),
  };
}

function noDisk({ system, reached, kd, end }: BootFacts): Diagnosis | undefined {
  if (system?.fullFeatureAt === undefined || reached.has("P16") || end === undefined) return undefined;
  if (system.readyAt !== undefined) return undefined;
  return {
    class: "HANDOVER-NO-DISK",
    confidence: "likely",
    cause: "the system's initiator logged in, but nothing was read from the disk",
    advice: "Compare the LUN and the disk's signature with what the system looks for.",
    evidence: [kd.last].filter((one) => one !== undefined),
  };
}

function restart({ kd, end }: BootFacts): Diagnosis | undefined {
  if (kd.shutdown === undefined || end?.reason !== "machine-exit") return undefined;
  return {
    class: null,
    confidence: "certain",
    cause: "the guest restarted or went off by itself",
    advice:
      "A system that was prepared with sysprep restarts in its first boot: boot it once where it was installed.",
    evidence: [kd.shutdown],
  };
}

/** A system that talks until the time is over is slow; one that has stopped talking hangs. */
const slowSeconds = 10;

function hang({ kd, end, all }: BootFacts): Diagnosis | undefined {
  if (end === undefined) return undefined;
  const last = kd.last ?? all.findLast(({ source }) => source === "ems") ?? kd.kernel;
  if (last === undefined) return undefined;
  const evidence = [last, ...((kd.lost ?? kd.answered) ? [kd.lost ?? kd.answered] : [])].filter(
    (one) => one !== undefined,
  );
  const silent = end.observation.t - last.t;
  const answers = kd.answered !== undefined && kd.answered.t > last.t;
  if (end.reason === "timeout" && silent < slowSeconds && kd.lost === undefined)
    return {
      class: "HANG",
      confidence: "guess",
      cause: "the guest was still at work when the time was up",
      advice: "Give it longer (timeout:), or look at kd.txt for what it repeats.",
      evidence,
    };
  return {
    class: "HANG",
    confidence: kd.lost !== undefined || answers ? "likely" : "guess",
    cause: `the guest went silent after "${describeObservation(last)}"${howSilent(kd.lost, answers)}`,
    advice:
      "A system that waits for its disk for ever ends so: look at net.pcap around that time, and at screen.png.",
    evidence,
  };
}

function howSilent(lost: Observation | undefined, answers: boolean): string {
  if (lost !== undefined) return `; ${String(lost.data["message"])}`;
  return answers ? "; its kernel still runs" : "";
}
