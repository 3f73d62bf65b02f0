import { ChapType, Origin, type IbftSpec, type NicSpec, type TargetSpec } from "#ibft";
import { userNetwork } from "#harness/network";
import type { TableWish } from "./emulated-schema.ts";
import type { RunPlan } from "./plan.ts";

/** What the firmware's session says of its disk, as the guest reaches it. */
export interface SessionFactsForTable {
  readonly host: string;
  readonly port: number;
  readonly target: string;
  readonly lun: number;
}

/**
 * What to write into the table of an emulated boot: the session's facts and the machine's NICs, and over them what the
 * scenario wishes. A further NIC has an address only where a target is reached by it.
 */
export function tableSpec(plan: RunPlan, session: SessionFactsForTable, wish: TableWish = {}): IbftSpec {
  const { carrier: _carrier, address: _address, nics = [], targets = [], initiator, ...rest } = wish;
  const count = Math.max(1, targets.length);
  const own = Array.from({ length: count }, (_, i) => targetSpec(plan, session, i, targets[i]?.nic));
  const used = new Set([0, ...own.map(({ nic }, i) => targets[i]?.nic ?? nic ?? 0)]);
  return {
    ...rest,
    initiator: initiator === null ? null : { name: plan.initiatorName, ...initiator },
    nics: over(
      plan.nics.map((_, i) => nicSpec(plan, i, used.has(i), session.host)),
      nics,
    ),
    targets: over(own, targets),
  };
}

/** Where QEMU puts the NIC at this place on a machine of ours: slot 2 is the first that is free. */
export function nicSlot(position: number): string {
  return (position + 2).toString(16);
}

/** The same as the table and lspci have it. */
export function pciOf(position: number): string {
  return `00:${nicSlot(position).padStart(2, "0")}.0`;
}

function nicSpec(plan: RunPlan, position: number, used: boolean, host: string): NicSpec {
  const { mac = "", address, gateway } = plan.nics[position] ?? {};
  const place = { mac, pci: pciOf(position) };
  if (!used) return place;
  // Of the subnets that the lab and QEMU's user-mode network have.
  const named = { ...place, ip: address, prefix: address?.includes(":") === true ? 64 : 24 };
  if (plan.network.kind === "user") {
    const { hostAddress, dnsAddress } = userNetwork();
    const outside = host !== hostAddress;
    return {
      ...named,
      origin: Origin.Dhcp,
      dhcp: hostAddress,
      dns1: dnsAddress,
      ...(outside && { gateway: hostAddress }),
    };
  }
  const dhcp = labAddress(plan, position);
  return plan.scenario.addresses === "ipv6"
    ? { ...named, origin: Origin.Manual }
    : { ...named, origin: Origin.Dhcp, dhcp, ...(gateway !== undefined && { gateway }) };
}

/** A further target is a further way to the same disk, by the NIC at the same place where there is one. */
function targetSpec(
  plan: RunPlan,
  session: SessionFactsForTable,
  position: number,
  wanted: number | undefined,
): TargetSpec {
  const { chap } = plan.target;
  const nic = wanted ?? (position < plan.nics.length ? position : 0);
  const here = position > 0 && plan.target.kind === "embedded" ? labAddress(plan, nic) : undefined;
  return {
    ip: here ?? session.host,
    port: session.port,
    lun: session.lun,
    name: session.target,
    nic,
    ...(chap && {
      chapType: chap.mutual === undefined ? ChapType.OneWay : ChapType.Mutual,
      chapName: chap.user,
      chapSecret: chap.secret,
      ...(chap.mutual && { reverseChapName: chap.mutual.user, reverseChapSecret: chap.mutual.secret }),
    }),
  };
}

/** The lab's own address on the wire of a NIC. */
function labAddress(plan: RunPlan, position: number): string | undefined {
  const wire = plan.network.kind === "private" ? plan.network.wires[position] : undefined;
  return (plan.scenario.addresses === "ipv6" ? wire?.ipv6 : wire?.address)?.split("/")[0];
}

function over<T extends object>(own: readonly T[], wished: readonly T[]): T[] {
  return Array.from({ length: Math.max(own.length, wished.length) }, (_, i) => ({
    ...own[i],
    ...wished[i],
  })) as T[];
}
