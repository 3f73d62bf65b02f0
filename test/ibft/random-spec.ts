import { formatIp, type SeededRandom } from "#core";
import type { IbftSpec } from "#ibft";

/** A table with any number of NICs and targets and any value in every field. */
export function randomSpec(random: SeededRandom): IbftSpec {
  const nics = 1 + random.below(random.below(4) === 0 ? 12 : 3);
  const targets = 1 + random.below(3);
  return {
    layout: targets + nics < 8 && random.below(3) === 0 ? "edk2" : random.pick(["ipxe", "packed"]),
    oemId: text(random, 6),
    oemTableId: text(random, 8),
    control: { flags: random.below(256), index: random.below(2), version: 1 },
    initiator: {
      name: text(random, 40),
      isns: address(random),
      slp: address(random),
      radius1: address(random),
      radius2: address(random),
      flags: random.below(256),
    },
    nics: Array.from({ length: nics }, () => ({
      ip: address(random),
      prefix: random.below(129),
      origin: random.below(5),
      gateway: address(random),
      dns1: address(random),
      dns2: address(random),
      dhcp: address(random),
      vlan: random.below(4096),
      mac: Buffer.from(random.bytes(6))
        .toString("hex")
        .replaceAll(/..(?=.)/g, "$&:"),
      pci: pci(random),
      hostname: maybe(random, 30),
      index: random.below(256),
      flags: random.below(256),
    })),
    targets: Array.from({ length: targets }, () => ({
      ip: address(random),
      port: random.below(65536),
      lun: Buffer.from(random.bytes(8)).toString("hex"),
      chapType: random.below(3),
      nic: random.below(256),
      name: maybe(random, 60),
      chapName: maybe(random, 16),
      chapSecret: maybe(random, 16),
      reverseChapName: maybe(random, 16),
      reverseChapSecret: maybe(random, 16),
      flags: random.below(256),
    })),
    quirks: {},
  };
}

function address(random: SeededRandom): string | null {
  const kind = random.below(4);
  if (kind === 0) return null;
  if (kind < 3) return formatIp(random.bytes(4));
  const bytes = random.bytes(16);
  bytes[0] = 0xfd;
  return formatIp(bytes);
}

function pci(random: SeededRandom): string {
  const bus = Buffer.from(random.bytes(1)).toString("hex");
  return `${bus}:${Buffer.of(random.below(32)).toString("hex")}.${random.below(8)}`;
}

function maybe(random: SeededRandom, length: number): string | null {
  return random.below(2) === 0 ? null : text(random, length);
}

function text(random: SeededRandom, length: number): string {
  const letters = Array.from("abcdefghijklmnopqrstuvwxyz0123456789.:-");
  return Array.from({ length: 1 + random.below(length) }, () => random.pick(letters)).join("");
}
