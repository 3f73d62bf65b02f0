import type { Clock } from "#core";
import { formatRootPath, Netboot } from "#netboot";
import type { Timeline } from "#harness/observe";
import type { RunPlan } from "./plan.ts";

/** DHCP and router advertisements on every wire of a plan; only the first wire's answers lead to the disk. */
export async function startNetboot(
  plan: RunPlan,
  timeline: Timeline,
  clock: Clock,
  signal: AbortSignal,
): Promise<Netboot> {
  const { nics, network, initiatorName } = plan;
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
          rootPath: rootPathOf(plan),
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

/** Where the guest's firmware finds the disk. On QEMU's user-mode network the port is known only once it is open. */
export function rootPathOf({ target }: RunPlan, port = target.port): string {
  return formatRootPath({ server: target.host, port, lun: target.lun, target: target.iqn });
}
