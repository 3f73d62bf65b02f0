import path from "node:path";
import { UsageError } from "#core";
import { nicDevices, type NetdevSpec, type NicSpec } from "./machine-spec.ts";
import { option } from "./option.ts";

/** The arguments of the NIC with this index; its QEMU ids are `nicN`, `netN` and `dumpN`. */
export function nicArguments(nic: NicSpec, index: number, tapFd: (fdIndex: number) => number): string[] {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(nic.mac)) {
    throw new UsageError("MAC_ADDRESS", `${nic.mac}: not a MAC address such as 52:54:00:12:34:56`);
  }
  const netdev = `net${index}`;
  return [
    "-netdev",
    netdevOption(nic.netdev, netdev, tapFd),
    ...(nic.capture === undefined
      ? []
      : ["-object", option("filter-dump", { id: `dump${index}`, netdev, file: path.resolve(nic.capture) })]),
    "-device",
    option(nicDevices[nic.model].device, {
      id: `nic${index}`,
      netdev,
      mac: nic.mac,
      addr: nic.pciAddress,
      bootindex: nic.bootIndex,
      romfile: romFile(nic.romFile),
    }),
  ];
}

function netdevOption(netdev: NetdevSpec, id: string, tapFd: (fdIndex: number) => number): string {
  if (netdev.kind === "tap") return option("tap", { id, fd: tapFd(netdev.fdIndex) });
  return option("user", { id, ...netdev.options });
}

/** A bare name is looked up in QEMU's own data folders; empty means no ROM. */
function romFile(file: string | undefined): string | undefined {
  return file?.includes("/") === true ? path.resolve(file) : file;
}
