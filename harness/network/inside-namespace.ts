import { constants } from "node:os";
import { ip } from "./ip-command.ts";
import { setKernel } from "./kernel-setting.ts";
import type { NamespaceKind } from "./namespace-support.ts";

/** The environment variable by which the outer process tells the inner one where it is. */
export const NAMESPACE_MARKER = "SANLAB_NAMESPACE";

/** What the outer process sends: a signal that it received. */
export interface OuterMessage {
  readonly signal: "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGWINCH";
}

export interface PrivateNamespace {
  readonly kind: NamespaceKind;
}

let adopted: Promise<PrivateNamespace | undefined> | undefined;

/**
 * To be called first of all by the program that `enterPrivateNamespace` runs: binds its life to the outer process,
 * turns the signals which that passes on into this process's own signal events, brings the loopback interface up.
 * Resolves with undefined in a process that is not in a private namespace. Repeated calls give the same answer.
 *
 * @throws LabError `NETWORK_SETUP` where the loopback interface cannot be brought up
 */
export function adoptPrivateNamespace(): Promise<PrivateNamespace | undefined> {
  adopted ??= adopt();
  return adopted;
}

async function adopt(): Promise<PrivateNamespace | undefined> {
  const kind = process.env[NAMESPACE_MARKER];
  delete process.env[NAMESPACE_MARKER];
  // Without the channel the variable was inherited from somewhere further up and says nothing about this process.
  if ((kind !== "user" && kind !== "root") || !process.connected) return undefined;
  // Not a signal to itself: the kernel keeps process 1 of a namespace from killing itself by one.
  process.on("disconnect", () => process.exit(128 + constants.signals.SIGKILL));
  process.on("message", (message: OuterMessage) => receive(message));
  // Waiting for messages shall not keep a program alive that has nothing else to do.
  process.channel?.unref();
  await ip(["link set dev lo up"]);
  // Addresses are usable at once: there is no duplicate address detection on wires where nobody else gives any.
  await setKernel("ipv6/conf/all/accept_dad", "0");
  await setKernel("ipv6/conf/default/accept_dad", "0");
  await setKernel("ipv6/conf/default/accept_ra", "0");
  return { kind };
}

function receive({ signal }: OuterMessage): void {
  if (process.emit(signal, signal) || signal === "SIGWINCH") return;
  process.exit(128 + constants.signals[signal]);
}
