import type { Scene } from "./lint-scene.ts";
import { BlockFlag, ChapType, type IbftTarget } from "./model.ts";
import { inSameSubnet } from "./subnet.ts";
import { lunNumber } from "./values.ts";

/** R59 to R70. */
export function lintTargets(scene: Scene): void {
  const { targets } = scene.table;
  const selected = targets.filter(({ flags }) => (flags & BlockFlag.BootSelected) !== 0);
  if (targets.length === 0) scene.say("R59", "control.target0", "there is no target");
  else if (selected.length === 0) {
    scene.say("R59", "target0.flags", "no target is boot-selected");
    scene.say("R34", "target0.flags", "no target is boot-selected");
  } else if (selected.length > 1) {
    scene.say("R59", "target1.flags", `${selected.length} targets are boot-selected`, "warning");
  }
  for (const [i, target] of targets.entries()) lintTarget(scene, target, i);
}

function lintTarget(scene: Scene, target: IbftTarget, position: number): void {
  const name = `target${position}`;
  if ((target.flags & BlockFlag.Valid) === 0) {
    scene.say(
      "R59",
      `${name}.flags`,
      `the flags are ${target.flags}: not valid`,
      position === 0 ? undefined : "warning",
    );
  }
  const radius = target.flags & (BlockFlag.RadiusChap | BlockFlag.RadiusReverseChap);
  if (radius !== 0 && scene.table.initiator?.radius1 === null) {
    scene.say("R59", `${name}.flags`, "Radius is asked for, but no Radius server is named", "warning");
  }
  if (target.index !== position)
    scene.say("R60", `${name}.index`, `the index is ${target.index}, the position ${position}`);
  lintRoute(scene, target, name);
  if (target.name === null || target.name === "") scene.say("R29", `${name}.name`, "there is no target name");
  if (target.ip === null) scene.say("R62", `${name}.ip`, "there is no target address");
  if (target.port === 0) scene.say("R63", `${name}.port`, "the port is 0");
  else if (target.port === 0xbc0c)
    scene.say("R63", `${name}.port`, "the port is 3260 in the wrong byte order");
  lintLun(scene, target, name);
  lintChap(scene, target, name);
}

function lintRoute(scene: Scene, target: IbftTarget, name: string): void {
  const nic = scene.table.nics.find(({ index }) => index === target.nic);
  if (nic === undefined) {
    scene.say("R60", `${name}.nic`, `there is no NIC with index ${target.nic}`);
    return;
  }
  if (target.ip === null || nic.ip === null) {
    if (nic.ip === null) scene.say("R61", `${name}.nic`, `NIC ${target.nic} has no address`, "warning");
    return;
  }
  const linkLocal = target.ip.startsWith("fe80:");
  if (nic.gateway === null && !linkLocal && !inSameSubnet(nic.ip, target.ip, nic.prefix)) {
    scene.say(
      "R61",
      `${name}.nic`,
      `${target.ip} is not on-link at NIC ${target.nic} (${nic.ip}/${nic.prefix}), which has no gateway`,
    );
  }
}

function lintLun(scene: Scene, { lun }: IbftTarget, name: string): void {
  const bytes = Buffer.from(lun, "hex");
  const swapped = bytes.readUInt8(0) !== 0 && bytes.readUInt8(0) < 0x40 && bytes.readUIntBE(1, 6) === 0;
  if (swapped)
    scene.say("R64", `${name}.lun`, `0x${lun} is LUN ${bytes.readUInt8(0)} in the wrong byte order`);
  else if (lunNumber(lun) === undefined)
    scene.say("R64", `${name}.lun`, `0x${lun} is no single-level LUN`, "warning");
  if (bytes.some((byte) => byte > 0 && byte < 0x10) && bytes.some((byte) => byte >= 0x10)) {
    scene.say("R65", `${name}.lun`, `Linux prints 0x${lun} without zero padding`);
  }
}

function lintChap(scene: Scene, target: IbftTarget, name: string): void {
  const { chapType, chapName, chapSecret, reverseChapName, reverseChapSecret } = target;
  if (chapType > ChapType.Mutual) scene.say("R66", `${name}.chapType`, `the CHAP type is ${chapType}`);
  const wanted = [
    { field: "chapName", value: chapName, from: ChapType.OneWay },
    { field: "chapSecret", value: chapSecret, from: ChapType.OneWay },
    { field: "reverseChapName", value: reverseChapName, from: ChapType.Mutual },
    { field: "reverseChapSecret", value: reverseChapSecret, from: ChapType.Mutual },
  ] as const;
  for (const { field, value, from } of wanted) {
    const given = value !== null && value !== "";
    if (given && chapType < from)
      scene.say("R67", `${name}.${field}`, `CHAP type ${chapType} has no use for it`, "warning");
    if (!given && chapType >= from) scene.say("R67", `${name}.${field}`, `CHAP type ${chapType} needs it`);
    const length = Buffer.byteLength(value ?? "");
    if (given && field.endsWith("Secret") && (length < 12 || length > 16)) {
      scene.say("R69", `${name}.${field}`, `the secret has ${length} bytes`);
    }
  }
  for (const field of ["chapSecret", "reverseChapSecret"] as const)
    lintSecret(scene, target[field], `${name}.${field}`);
  if (chapSecret !== null && chapSecret !== "" && chapSecret === reverseChapSecret) {
    scene.say("R67", `${name}.reverseChapSecret`, "both secrets are the same");
  }
}

/** Any program on Windows and root on Linux can read the table; what a tool printed goes further. */
function lintSecret(scene: Scene, secret: string | null, field: string): void {
  if (secret === null || secret === "") return;
  if (scene.context.console?.includes(secret) === true)
    scene.say("R70", field, "what was printed shows the secret");
  else scene.say("R70", field, "the secret lies in memory in clear, for the system's users to read", "info");
}
