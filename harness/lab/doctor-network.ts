import { TUN_DEVICE } from "#harness/tap-stream";
import { probeNamespaces, runTool, tunFault, type NamespaceSupport } from "#harness/network";
import type { Check } from "./doctor.ts";

const FALL_BACK = "boots go over QEMU's user-mode network, which rtl8139 and DHCP options cannot use";

/** What it takes to lay a wire: iproute2, private namespaces, the TUN driver, and all three together. */
export async function networkChecks(options: { readonly signal?: AbortSignal }): Promise<readonly Check[]> {
  const support = await probeNamespaces(options);
  return [await iproute2(), namespaces(support), await tunDevice(), await tapDevice(support)];
}

async function iproute2(): Promise<Check> {
  const name = "iproute2";
  const { status, stdout } = await runTool("ip", ["-V"]);
  const version = /iproute2-([\w.-]+)/.exec(stdout)?.[1];
  if (status === 0) return { name, status: "ok", detail: version ?? "present" };
  return { name, status: "fail", detail: "the program ip is missing", cure: "apt-get install iproute2" };
}

function namespaces(support: NamespaceSupport): Check {
  const name = "private namespaces";
  if (support.available) {
    const how = support.kind === "root" ? "as root, without a user namespace" : "with a user namespace";
    return { name, status: "ok", detail: `network, processes, mounts; ${how}` };
  }
  return { name, status: "warn", detail: `${support.reason}; ${FALL_BACK}`, cure: support.cure };
}

async function tunDevice(): Promise<Check> {
  const fault = await tunFault();
  if (fault === undefined) return { name: TUN_DEVICE, status: "ok", detail: "may be opened" };
  return { name: TUN_DEVICE, status: "warn", detail: `${fault.reason}; ${FALL_BACK}`, cure: fault.cure };
}

async function tapDevice(support: NamespaceSupport): Promise<Check> {
  const name = "TAP device";
  if (!support.available) {
    return { name, status: "warn", detail: "cannot be made without private namespaces", cure: support.cure };
  }
  const script = "ip tuntap add dev lab0 mode tap && ip link delete dev lab0";
  const { status, reason } = await runTool("unshare", [...support.unshare, "--", "sh", "-c", script]);
  if (status === 0) return { name, status: "ok", detail: "can be made in a private namespace" };
  return {
    name,
    status: "warn",
    detail: `${reason}; ${FALL_BACK}`,
    cure: `modprobe tun; chmod 666 ${TUN_DEVICE}`,
  };
}
