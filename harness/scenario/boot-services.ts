import type { Clock } from "#core";
import { Netboot } from "#netboot";
import type { Timeline } from "#harness/observe";
import type { RunPlan } from "./plan.ts";

/** DHCP and router advertisements on every wire of a plan; only the first wire's answers lead to the disk. */
export async function startNetboot(
  plan: RunPlan,
  timeline: Timeline,
  clock: Clock,
  signal: AbortSignal,
): Promise<Netboot> {
  const { target, nics, network, initiatorName } = plan;
  const wires = network.kind === "private" ? network.wires : [];
  return await Netboot.start({
    interfaces: wires.map(({ name, address }) => ({
      name,
      address: address.split("/")[0] ?? "",
      prefixLength: 24,
    })),
    dhcp: {
      reservations: nics.map(({ mac, address }, index) => ({
        mac,
        address,
        ...(index === 0 && {
          rootPath: `iscsi:${target.host}::${target.port}:${target.lun.toString(16)}:${target.iqn}`,
          initiatorName,
        }),
      })),
    },
    ra: { prefixes: wires.map(({ ipv6 }) => ipv6.replace(/::1\/64$/, "::")) },
    clock,
    report: timeline.reporter("netboot"),
    signal,
  });
}
