import type { Clock } from "#core";
import { formatRootPath, Netboot, type BootSettings } from "#netboot";
import type { Timeline } from "#harness/observe";
import type { RunPlan } from "./plan.ts";

/** DHCP and router advertisements on every wire of a plan; only the first wire's answers lead to the disk. */
export async function startNetboot(
  plan: RunPlan,
  timeline: Timeline,
  clock: Clock,
  signal: AbortSignal,
): Promise<Netboot> {
  const { nics, network } = plan;
  const wires = network.kind === "private" ? network.wires : [];
  return await Netboot.start({
    interfaces: wires.map(({ name, address }) => ({
      name,
      address: address.split("/")[0] ?? "",
      prefixLength: 24,
    })),
    dhcp: {
      reservations: nics.map(({ mac, address, gateway }, index) => ({
        mac,
        ...(!address.includes(":") && { address }),
        ...(gateway !== undefined && { options: { routers: [gateway] } }),
        ...(index === 0 && plan.scenario.firmware === "ipxe" && ipxeSettings(plan)),
      })),
    },
    ra: { prefixes: wires.map(({ ipv6 }) => ipv6.replace(/::1\/64$/, "::")) },
    clock,
    report: timeline.reporter("netboot"),
    signal,
  });
}

function ipxeSettings(plan: RunPlan): BootSettings {
  const { chap } = plan.target;
  return {
    rootPath: rootPathOf(plan),
    initiatorName: plan.initiatorName,
    ...(chap && {
      ipxe: {
        username: chap.user,
        password: chap.secret,
        ...(chap.mutual && { reverseUsername: chap.mutual.user, reversePassword: chap.mutual.secret }),
      },
    }),
  };
}

/** Where the guest's firmware finds the disk. On QEMU's user-mode network the port is known only once it is open. */
export function rootPathOf({ target }: RunPlan, port = target.port): string {
  return formatRootPath({ server: target.host, port, lun: target.lun, target: target.iqn });
}
