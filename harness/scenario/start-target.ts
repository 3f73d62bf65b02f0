import { rm } from "node:fs/promises";
import { FileDevice, OverlayDevice } from "#block";
import { parseIscsiUrl } from "#initiator";
import { Target } from "#target";
import { freePort, type Lab } from "#harness/lab";
import type { Timeline } from "#harness/observe";
import { startIstgt } from "./istgt-target.ts";
import type { RunPlan } from "./plan.ts";
import { startTgt } from "./tgt-target.ts";

/** Where the target listens, as this process reaches it. */
export interface Portal {
  readonly host: string;
  readonly port: number;
}

/** Starts the target that the plan names, in the lab's keeping; one that is there already is only named. */
export async function startTarget(plan: RunPlan, lab: Lab, timeline: Timeline): Promise<Portal> {
  const { kind, host, port, chap } = plan.target;
  if (kind === "external") return parseIscsiUrl(plan.scenario.target);
  const listenHost = plan.network.kind === "private" ? host : "127.0.0.1";
  if (kind === "tgt" || kind === "istgt") {
    const start = kind === "tgt" ? startTgt : startIstgt;
    return await start(plan, lab, { host: listenHost, port: port || (await freePort()) });
  }
  const disk = lab.own(await overlayOf(plan, lab));
  const target = lab.own(
    await Target.listen({
      iqn: plan.target.iqn,
      luns: [{ lun: plan.target.lun, device: disk }],
      ...(chap && {
        auth: { users: { [chap.user]: chap.secret }, ...(chap.mutual && { mutual: chap.mutual }) },
      }),
      host: listenHost,
      port,
      portals: furtherPortals(plan),
      report: timeline.reporter("target"),
      signal: lab.signal,
    }),
  );
  return target.address;
}

/** A table may lead further NICs to the same disk. */
function furtherPortals({ network, scenario, target }: RunPlan): readonly { host: string; port: number }[] {
  if (network.kind !== "private" || scenario.firmware !== "emulated") return [];
  return network.wires.slice(1).map(({ address, ipv6 }) => ({
    host: (scenario.addresses === "ipv6" ? ipv6 : address).split("/")[0] ?? "",
    port: target.port,
  }));
}

/** The guest's disk, which nobody may write to, under a copy-on-write layer of this run. */
async function overlayOf(plan: RunPlan, lab: Lab): Promise<OverlayDevice> {
  const base = await FileDevice.open(plan.guest.image, { readOnly: true });
  const file = lab.path("overlay.img");
  const store = await FileDevice.create(file, base.size);
  // Without a name it cannot be left behind, whatever ends the run.
  await rm(file);
  return new OverlayDevice(base, store);
}
