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
  const fault = await tunFault();
  return fault === undefined ? support : { available: false, ...fault };
}

/** Why this user cannot make TAP devices, and what helps; undefined where nothing speaks against it. */
export async function tunFault(): Promise<{ readonly reason: string; readonly cure: string } | undefined> {
  try {
    await access(TUN_DEVICE, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return errorCode(error) === "EACCES"
      ? { reason: `this user may not open ${TUN_DEVICE}`, cure: `chmod 666 ${TUN_DEVICE}` }
      : { reason: `there is no ${TUN_DEVICE}`, cure: "modprobe tun" };
  }
}
