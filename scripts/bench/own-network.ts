import { writeFile } from "node:fs/promises";
import { adoptPrivateNamespace, enterPrivateNamespace, probeNamespaces } from "#harness/network";

/**
 * Runs the benchmark again in a network namespace of its own and ends with its status; returns inside. There is no
 * other traffic on the loopback there, and the congestion control is Reno: that of a machine may pace what it sends,
 * as BBR does, and then paces all that is compared. Where there are no namespaces it goes on as it is, and says so.
 */
export async function enterOwnNetwork(): Promise<void> {
  if ((await adoptPrivateNamespace()) !== undefined) {
    await writeFile("/proc/sys/net/ipv4/tcp_congestion_control", "reno");
    return;
  }
  const support = await probeNamespaces();
  if (support.available) process.exit(await enterPrivateNamespace({ support }));
  console.log(`on this machine's own loopback, with its settings: ${support.reason}`);
}
