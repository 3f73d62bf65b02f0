import type { Scene } from "./lint-scene.ts";
import { BlockFlag, type IbftNic, Origin } from "./model.ts";
import { inSameSubnet } from "./subnet.ts";
import { pciLocation } from "./values.ts";

const NO_MAC = "00:00:00:00:00:00";

/** R26 to R28. */
export function lintInitiator(scene: Scene): void {
  const { initiator } = scene.table;
  if (initiator === null) return;
  const both = BlockFlag.Valid | BlockFlag.BootSelected;
  if ((initiator.flags & both) !== both) {
    scene.say("R26", "initiator.flags", `the flags are ${initiator.flags}: not valid and boot-selected`);
  }
  if (initiator.index !== 0) scene.say("R27", "initiator.index", `the index is ${initiator.index}`);
  if (!initiator.name) scene.say("R28", "initiator.name", "there is no initiator name");
}

/** R33 to R38, R41 to R58, R78, R79. */
export function lintNics(scene: Scene): void {
  const { nics } = scene.table;
  lintSelection(scene);
  for (const [i, nic] of nics.entries()) lintNic(scene, nic, i);
  const byMemory = nics.map(({ offset }) => offset);
  if (byMemory.some((offset, i) => i > 0 && offset < (byMemory[i - 1] ?? 0))) {
    scene.say("R38", "control.nic0", "the NIC structures do not lie in memory in the order of their offsets");
  }
  const byPci = nics.map(({ pci }) => pciLocation(pci) ?? 0);
  if (byPci.some((location, i) => i > 0 && location < (byPci[i - 1] ?? 0))) {
    scene.say("R37", "nic0.pci", `PCI locations do not ascend: ${nics.map(({ pci }) => pci).join(", ")}`);
  }
}

function lintSelection(scene: Scene): void {
  const selected = scene.table.nics.filter(({ flags }) => (flags & BlockFlag.BootSelected) !== 0);
  if (scene.table.nics.length === 0) scene.say("R33", "control.nic0", "there is no NIC");
  else if (selected.length === 0) {
    scene.say("R33", "nic0.flags", "no NIC is boot-selected");
    scene.say("R34", "nic0.flags", "no NIC is boot-selected");
  } else if (selected.length > 1) {
    scene.say("R33", "nic1.flags", `${selected.length} NICs are boot-selected`, "warning");
  }
}

function lintNic(scene: Scene, nic: IbftNic, position: number): void {
  const name = `nic${position}`;
  if ((nic.flags & BlockFlag.Valid) === 0) {
    scene.say(
      "R33",
      `${name}.flags`,
      `the flags are ${nic.flags}: not valid`,
      position === 0 ? undefined : "warning",
    );
  }
  if (nic.index !== position)
    scene.say("R35", `${name}.index`, `the index is ${nic.index}, the position ${position}`);
  lintAddress(scene, nic, name, position);
  lintGateway(scene, nic, name);
  if (nic.mac === NO_MAC) scene.say("R47", `${name}.mac`, "there is no MAC address");
  else if ((Number.parseInt(nic.mac.slice(0, 2), 16) & 1) !== 0) {
    scene.say("R47", `${name}.mac`, `${nic.mac} is a group address`);
  }
  if (nic.pci === "00:00.0") scene.say("R51", `${name}.pci`, "the PCI location is 00:00.0");
  if (nic.vlan > 4094)
    scene.say("R52", `${name}.vlan`, `${nic.vlan} (0x${nic.vlan.toString(16)}) is no VLAN number`);
  if (nic.origin > Origin.RouterAdvertisement)
    scene.say("R53", `${name}.origin`, `the origin is ${nic.origin}`);
  lintIpxeOrigin(scene, nic, name);
  lintDns(scene, nic, name);
  if (nic.origin === Origin.Dhcp && nic.dhcp === null)
    scene.say("R56", `${name}.dhcp`, "no DHCP server is named");
  if (nic.origin !== Origin.Dhcp && nic.dhcp !== null) {
    scene.say("R54", `${name}.dhcp`, "a DHCP server is named, though the address does not come from it");
  }
}

function lintIpxeOrigin(scene: Scene, nic: IbftNic, name: string): void {
  if (scene.table.oemTableId !== "iPXE" || nic.ip === null || nic.origin === Origin.Dhcp) return;
  const message =
    nic.origin === Origin.Manual
      ? "iPXE says manual: the address was set on the device itself, not by DHCP"
      : `iPXE writes manual or DHCP, never ${nic.origin}: somebody else changed it`;
  scene.say("R55", `${name}.origin`, message);
}

function lintDns(scene: Scene, { dns1, dns2 }: IbftNic, name: string): void {
  if (dns2 === null) return;
  if (dns1 === null)
    scene.say("R57", `${name}.dns1`, `the second DNS server (${dns2}) stands without a first`);
  else if (dns1 === dns2) scene.say("R57", `${name}.dns2`, `both DNS servers are ${dns1}`);
}

function lintAddress(scene: Scene, nic: IbftNic, name: string, position: number): void {
  if (nic.ip === null) {
    if (position === 0) scene.say("R42", `${name}.ip`, "the first NIC has no address", "warning");
    else scene.say("R41", `${name}.ip`, "the NIC has no address");
    return;
  }
  const limit = isIpv6(nic.ip) ? 128 : 32;
  if (nic.prefix > limit) scene.say("R42", `${name}.prefix`, `the prefix is ${nic.prefix}`);
  if (nic.prefix === 0) scene.say("R43", `${name}.prefix`, "the prefix is 0");
  if (limit === 128) scene.say("R78", `${name}.ip`, "the address is IPv6", "info");
  for (const other of ["gateway", "dhcp"] as const) {
    const address = nic[other];
    if (address !== null && isIpv6(address) !== isIpv6(nic.ip)) {
      scene.say("R42", `${name}.${other}`, `${address} and ${nic.ip} are of different families`);
    }
  }
}

function lintGateway(scene: Scene, nic: IbftNic, name: string): void {
  const { gateway, ip, prefix } = nic;
  if (ip === null) return;
  const targets = scene.table.targets.filter((target) => target.nic === nic.index && target.ip !== null);
  if (gateway === null) {
    if (scene.profile === "windows" && !isIpv6(ip))
      scene.say("R46", `${name}.gateway`, "there is no gateway");
    return;
  }
  if (prefix > 0 && !inSameSubnet(ip, gateway, prefix) && !gateway.startsWith("fe80:")) {
    scene.say("R45", `${name}.gateway`, `${gateway} lies outside of ${ip}/${prefix}`);
    scene.say("R79", `${name}.gateway`, `${gateway} does not fit ${ip}/${prefix}`);
  }
  for (const target of targets) {
    // A gateway that is the target itself harms nothing.
    if (target.ip !== gateway && inSameSubnet(ip, target.ip, prefix)) {
      const message = `the target ${target.ip} is on-link, and a gateway is given (${gateway})`;
      scene.say("R44", `${name}.gateway`, message, scene.profile === "linux" ? "info" : "warning");
    }
  }
}

function isIpv6(address: string): boolean {
  return address.includes(":");
}
