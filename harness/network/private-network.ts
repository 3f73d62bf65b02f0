import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { errorCode } from "#core";
import { TUN_DEVICE } from "#harness/tap-stream";
import { probeNamespaces, type NamespaceSupport } from "./namespace-support.ts";

/** Whether a lab with wires can be had here: private namespaces, and the device that TAP devices are made of. */
export async function probePrivateNetwork(
  options: { readonly signal?: AbortSignal } = {},
): Promise<NamespaceSupport> {
  const support = await probeNamespaces(options);
  if (!support.available) return support;
  try {
    await access(TUN_DEVICE, constants.R_OK | constants.W_OK);
    return support;
  } catch (error) {
    return errorCode(error) === "EACCES"
      ? { available: false, reason: `this user may not open ${TUN_DEVICE}`, cure: `chmod 666 ${TUN_DEVICE}` }
      : { available: false, reason: `there is no ${TUN_DEVICE}`, cure: "modprobe tun" };
  }
}
