import type { ContextNic, Scene } from "./lint-scene.ts";
import type { IbftNic } from "./model.ts";
import { inSameSubnet } from "./subnet.ts";
import { severityOf } from "./lint-rules.ts";
import { pciAddress, pciLocation } from "./values.ts";

/** What the table says against what the machine and the network are: R28, R36, R39, R40, R45, R47 to R50, R52, R54, R68, R71, R80. */
export function lintNetwork(scene: Scene): void {
  const { context, table } = scene;
  if (
    context.initiator !== undefined &&
    table.initiator !== null &&
    table.initiator.name !== context.initiator
  ) {
    scene.say("R28", "initiator.name", `the firmware logged in as ${context.initiator}`);
  }
  for (const [i, nic] of table.nics.entries()) lintMachineNic(scene, nic, `nic${i}`);
  lintMissing(scene);
  lintFirst(scene);
  for (const [i, target] of table.targets.entries()) {
    const given = target.chapName !== null || target.chapSecret !== null;
    if (given && context.target?.asksChap === false) {
      scene.say("R68", `target${i}.chapName`, "the target does not ask for CHAP");
    }
    if (context.target?.redirectedFrom !== undefined && target.ip !== context.target.redirectedFrom) {
      scene.say(
        "R71",
        `target${i}.ip`,
        `${target.ip} is where ${context.target.redirectedFrom} redirected to`,
      );
    }
  }
}

function lintMachineNic(scene: Scene, nic: IbftNic, name: string): void {
  const machine = scene.context.nics;
  lintGatewayAnswers(scene, nic, name);
  if (machine === undefined) return;
  const own = machine.find(({ mac }) => mac.toLowerCase() === nic.mac);
  if (own === undefined) {
    scene.say("R47", `${name}.mac`, `no NIC of the machine has ${nic.mac}`);
    return;
  }
  const owner = machine.find(({ ip }) => ip !== undefined && ip === nic.ip);
  if (owner !== undefined && owner !== own) {
    scene.say("R48", `${name}.ip`, `${nic.ip} belongs to ${owner.mac}, the structure to ${own.mac}`);
  } else if (own.ip !== undefined && nic.ip !== null && own.ip !== nic.ip) {
    scene.say("R80", `${name}.ip`, `DHCP gives ${own.ip} to ${own.mac}, the table says ${nic.ip}`);
    scene.say("R54", `${name}.ip`, `${nic.ip} is not what DHCP gives`);
  }
  lintPci(scene, nic, own, name);
  if (own.vlan !== undefined && own.vlan !== nic.vlan) {
    scene.say("R52", `${name}.vlan`, `the network is VLAN ${own.vlan}, the table says ${nic.vlan}`);
  }
}

/** Whoever has the target on its own wire needs no gateway, but for Windows. */
function lintGatewayAnswers(scene: Scene, nic: IbftNic, name: string): void {
  const { gateway } = nic;
  if (gateway === null || scene.context.gateways?.[gateway] !== "dead") return;
  const targets = scene.table.targets.filter(({ nic: index }) => index === nic.index);
  const onLink =
    targets.length > 0 && targets.every(({ ip }) => ip !== gateway && inSameSubnet(nic.ip, ip, nic.prefix));
  const message = `the gateway ${gateway} does not answer`;
  if (!onLink) scene.say("R45", `${name}.gateway`, message);
  else {
    const prediction =
      "predicted for Windows: it sends to the gateway all the same and never reaches the target";
    scene.say(
      "R45",
      `${name}.gateway`,
      `${message}, the target is on-link; ${prediction}`,
      severityOf("R44", scene.profile),
    );
  }
}

function lintPci(scene: Scene, nic: IbftNic, own: ContextNic, name: string): void {
  const real = pciAddress(own.pci ?? "");
  const said = pciLocation(nic.pci);
  if (own.pci === undefined || real === undefined || said === undefined) return;
  if (real.segment !== 0) {
    scene.say("R49", `${name}.pci`, `${own.mac} is at ${own.pci}: the table has no room for the segment`);
    return;
  }
  if (real.location === said) return;
  if (real.location === (((said & 0xff) << 8) | (said >> 8))) {
    scene.say("R49", `${name}.pci`, `${nic.pci} is ${own.pci} in the wrong byte order`);
    return;
  }
  const other = scene.context.nics?.find(({ pci }) => pci !== undefined && pciLocation(pci) === said);
  if (other === undefined)
    scene.say("R50", `${name}.pci`, `${own.mac} is at ${own.pci}, the table says ${nic.pci}`);
  else scene.say("R48", `${name}.pci`, `${nic.pci} is ${other.mac}, the structure belongs to ${own.mac}`);
}

function lintMissing(scene: Scene): void {
  const known = new Set(scene.table.nics.map(({ mac }) => mac));
  for (const { mac } of scene.context.nics ?? []) {
    if (known.has(mac.toLowerCase())) continue;
    scene.say("R36", "control.nic1", `${mac} is not in the table`);
  }
}

function lintFirst(scene: Scene): void {
  const [first] = scene.table.nics;
  const { installedOn } = scene.context;
  if (first === undefined) return;
  if (installedOn !== undefined && installedOn.toLowerCase() !== first.mac) {
    scene.say("R40", "nic0.mac", `the system was installed on ${installedOn}`);
  }
  const unreached = scene.table.targets.some(
    ({ ip, nic }) => nic !== first.index && first.ip !== null && !inSameSubnet(first.ip, ip, first.prefix),
  );
  const byAnother = scene.table.targets.some(({ nic }) => nic !== first.index) && first.ip === null;
  if (unreached || byAnother) scene.say("R39", "nic0", "the target is not reached from the first NIC");
}
