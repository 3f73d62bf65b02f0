import { writeFile } from "node:fs/promises";
import { LabError, errorCode } from "#core";

/**
 * Sets one of the kernel's network settings in this process's namespace, such as `ipv4/tcp_early_retrans`. Where the kernel
 * has none of that name, or a container shows them read-only, nothing happens: they make things better, not possible.
 *
 * @throws LabError `NETWORK_SETUP`
 */
export async function setKernel(name: string, value: string): Promise<void> {
  try {
    await writeFile(`/proc/sys/net/${name}`, value);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "EROFS" || code === "EACCES") return;
    throw new LabError("NETWORK_SETUP", `cannot set net.${name.replaceAll("/", ".")} (${code})`, {
      cause: error,
    });
  }
}
