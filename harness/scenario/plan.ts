import path from "node:path";
import { LabError, UsageError } from "#core";
import { userNetwork } from "#harness/network";
import { timeScale } from "#harness/qemu-launcher";
import { parseIscsiUrl, type ChapOptions } from "#initiator";
import type { GuestManifest, PreparedGuest } from "#vm-images";
import { chapOf, type ChapSecrets } from "./chap.ts";
import { checkTables } from "./emulated-carriers.ts";
import type { Scenario } from "./schema.ts";

/** Version of `plan.json`; raised when the meaning of its fields changes. */
const PLAN_FORMAT = 1;

/** A network card of the planned machine, with the wire it hangs on. */
export interface PlannedNic {
  readonly model: string;
  readonly mac: string;
  /** The TAP device's name; undefined on QEMU's user-mode network. */
  readonly wire?: string;
  /** What the DHCP server gives it, or the emulated firmware's table. */
  readonly address: string;
  /** The gateway that it is told of. */
  readonly gateway?: string;
}

export interface PlannedTarget {
  readonly kind: "embedded" | "tgt" | "istgt" | "external";
  readonly iqn: string;
  /** As the guest reaches it. */
  readonly host: string;
  readonly port: number;
  readonly lun: number;
  /** Who may log in, and how the target proves itself. */
  readonly chap?: ChapOptions;
}

/** Everything decided before a run: printable, and enough to run again. */
export interface RunPlan {
  readonly formatVersion: typeof PLAN_FORMAT;
  readonly scenario: Scenario;
  /** The run folder, absolute. */
  readonly folder: string;
  readonly guest: { readonly manifest: GuestManifest; readonly image: string; readonly sha256: string };
  readonly accel: { readonly kind: "kvm" | "tcg"; readonly cpu?: string; readonly reason: string };
  readonly network:
    | { readonly kind: "private"; readonly wires: readonly PlannedWire[] }
    | { readonly kind: "user"; readonly reason: string };
  readonly nics: readonly PlannedNic[];
  readonly target: PlannedTarget;
  readonly initiatorName: string;
  readonly timeoutMs: number;
}

export interface PlannedWire {
  readonly name: string;
  /** The lab's own address on the wire, with prefix length. */
  readonly address: string;
  /** The lab's address as the wire's gateway, with prefix length, where it plays that part. */
  readonly gateway?: string;
  readonly ipv6: string;
  /** QEMU's rtl8139 drops bursts longer than its 8 KiB ring, so the route's congestion window is held down. */
  readonly clampCwnd: boolean;
}

/** What the plan needs to know about the machine it will run on. */
export interface HostFacts {
  readonly accel: RunPlan["accel"];
  /** What `whyNoWires` says. */
  readonly noWires?: string | undefined;
  readonly chapSecrets?: ChapSecrets;
}

/**
 * Decides addresses, names and limits. The same scenario on the same host gives the same plan, but for the folder and
 * for secrets that are made up.
 *
 * @throws UsageError GUEST_FIRMWARE, GUEST_REQUEST, NO_SECRET; IBFT_SPEC for a table that no system boots from, unless it is meant
 */
export function planRun(
  scenario: Scenario,
  guest: { manifest: GuestManifest; prepared: PreparedGuest },
  host: HostFacts,
  folder: string,
): RunPlan {
  const firmware = scenario.uefi ? "uefi" : "bios";
  if (!guest.manifest.firmware.includes(firmware)) {
    throw new UsageError(
      "GUEST_FIRMWARE",
      `${guest.manifest.name} does not boot on ${firmware}; set uefi: ${!scenario.uefi}`,
    );
  }
  const deaf = scenario.requests.find((word) => guest.manifest.requests?.words.includes(word) !== true);
  if (deaf !== undefined) {
    const known = guest.manifest.requests?.words.join(", ") ?? "nothing";
    throw new UsageError("GUEST_REQUEST", `${guest.manifest.name} obeys ${known}, not "${deaf}"`);
  }
  const userMode = host.noWires;
  const family = scenario.addresses;
  const plan: RunPlan = {
    formatVersion: PLAN_FORMAT,
    scenario,
    folder: path.resolve(folder),
    guest: { manifest: guest.manifest, image: guest.prepared.image, sha256: guest.prepared.sha256 },
    accel: host.accel,
    network:
      userMode === undefined
        ? { kind: "private", wires: scenario.nics.map((nic, index) => wire(nic, index, scenario.gateway)) }
        : { kind: "user", reason: userMode },
    nics: scenario.nics.map((nic, index) => ({
      model: nic.model,
      mac: nic.mac?.toLowerCase() ?? `52:54:00:5a:4e:${(index + 1).toString(16).padStart(2, "0")}`,
      ...(userMode === undefined
        ? {
            wire: wireName(index),
            address: guestAddress(index, family),
            ...(scenario.gateway !== "none" && { gateway: gatewayAddress(index) }),
          }
        : { address: userNetwork().guestAddress }),
    })),
    target: plannedTarget(scenario, userMode !== undefined, host.chapSecrets),
    initiatorName,
    timeoutMs: (scenario.timeout ?? (guest.manifest.bootSeconds ?? 60) * timeScale(host.accel.kind)) * 1000,
  };
  if (scenario.firmware === "emulated") checkTables(plan);
  return plan;
}

/** Names as RFC 7143, section 4.2.7.4, has them, the same in every run, so that captures of two runs compare. */
const targetName = "iqn.2026-11.lab.sanlab:disk";
const initiatorName = "iqn.2026-11.lab.sanlab:guest";

function guestAddress(index: number, family: Scenario["addresses"]): string {
  if (family === "ipv4") return `10.77.${index}.100`;
  return index === 0 ? "fd77::100" : `fd77:${index}::100`;
}

const gatewayAddress = (index: number) => `10.77.${index}.254`;

const wireName = (index: number) => `lab${index}`;

/** A wire of its own for each card, 10.77.N.0/24 and fd77:N::/64, so that a wrong card cannot pass for the right one. */
function wire(nic: Scenario["nics"][number], index: number, gateway: Scenario["gateway"]): PlannedWire {
  return {
    name: wireName(index),
    address: `10.77.${index}.1/24`,
    ...(gateway === "answers" && { gateway: `${gatewayAddress(index)}/24` }),
    ipv6: index === 0 ? "fd77::1/64" : `fd77:${index}::1/64`,
    clampCwnd: nic.model === "rtl8139" || nic.model === "ne2k",
  };
}

function plannedTarget(scenario: Scenario, userMode: boolean, secrets?: ChapSecrets): PlannedTarget {
  const url = scenario.target.startsWith("iscsi:") ? parseIscsiUrl(scenario.target) : undefined;
  const chap = chapOf(scenario.chap, url?.user, secrets);
  if (url !== undefined) {
    const { target = "", host, port, lun } = url;
    return {
      kind: "external",
      iqn: target,
      host: isLoopback(host) ? userNetwork().hostAddress : host,
      port,
      lun,
      ...(chap && { chap }),
    };
  }
  return {
    kind: scenario.target === "tgt" || scenario.target === "istgt" ? scenario.target : "embedded",
    iqn: targetName,
    // On the user-mode network the runner takes a free port of the host's loopback.
    host: userMode ? userNetwork().hostAddress : scenario.addresses === "ipv6" ? "fd77::1" : "10.77.0.1",
    port: userMode ? 0 : 3260,
    // tgtd keeps LUN 0 for its controller.
    lun: scenario.target === "tgt" ? 1 : 0,
    ...(chap && { chap }),
  };
}

/**
 * Why a scenario has to go over QEMU's user-mode network; undefined where it gets wires. `noPrivateNetwork` is why this
 * machine has none, when that is so.
 *
 * @throws LabError NEEDS_PRIVATE_NETWORK where the scenario is not for the user-mode network
 */
export function whyNoWires(scenario: Scenario, noPrivateNetwork: string | undefined): string | undefined {
  const external = scenario.target.startsWith("iscsi:");
  const reason = external ? "the target lies outside the lab's private network" : noPrivateNetwork;
  if (reason === undefined) return undefined;
  if (scenario.addresses === "ipv6") {
    throw new LabError(
      "NEEDS_PRIVATE_NETWORK",
      `addresses: ipv6 needs a private network, and ${reason}; see 'sanlab doctor'`,
    );
  }
  if (scenario.gateway !== "none") {
    throw new LabError(
      "NEEDS_PRIVATE_NETWORK",
      `a gateway of one's own needs a private network, and ${reason}; see 'sanlab doctor'`,
    );
  }
  const lost = scenario.nics.find((nic) => nic.model !== "e1000" && nic.model !== "virtio");
  if (lost !== undefined) {
    throw new LabError(
      "NEEDS_PRIVATE_NETWORK",
      `--nic ${lost.model} does not boot over QEMU's user-mode network, and ${reason}; use --nic e1000 or virtio, or see 'sanlab doctor'`,
    );
  }
  if (scenario.nics.length > 1) {
    throw new LabError(
      "NEEDS_PRIVATE_NETWORK",
      `several NICs need a private network, and ${reason}; see 'sanlab doctor'`,
    );
  }
  return reason;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
