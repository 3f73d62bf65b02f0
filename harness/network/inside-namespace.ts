import { writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { LabError, errorCode } from "#core";
import { ip } from "./ip-command.ts";
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
  await settings();
  return { kind };
}

function receive({ signal }: OuterMessage): void {
  if (process.emit(signal, signal) || signal === "SIGWINCH") return;
  process.exit(128 + constants.signals[signal]);
}

/** Addresses are usable at once: there is no duplicate address detection on wires where nobody else gives any. */
async function settings(): Promise<void> {
  const wanted = [
    ["ipv6/conf/all/accept_dad", "0"],
    ["ipv6/conf/default/accept_dad", "0"],
    ["ipv6/conf/default/accept_ra", "0"],
  ] as const;
  for (const [name, value] of wanted) {
    try {
      await writeFile(`/proc/sys/net/${name}`, value);
    } catch (error) {
      const code = errorCode(error);
      // A kernel without IPv6 has no such file; a container may show the settings read-only, and they only save time.
      if (code !== "ENOENT" && code !== "EROFS" && code !== "EACCES") {
        throw new LabError("NETWORK_SETUP", `cannot set net.${name.replaceAll("/", ".")} (${code})`, {
          cause: error,
        });
      }
    }
  }
}
