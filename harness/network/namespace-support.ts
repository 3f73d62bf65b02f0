import { run, toolEnvironment } from "./run-tool.ts";

/** `user`: a user namespace was made too, so no privilege was needed; `root`: this process already had the right. */
export type NamespaceKind = "user" | "root";

export type NamespaceSupport =
  | { readonly available: true; readonly kind: NamespaceKind; readonly unshare: readonly string[] }
  | { readonly available: false; readonly reason: string; readonly cure: string };

const COMMON = ["--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL"] as const;
const USER = ["--user", "--map-root-user"] as const;
/** Not everywhere allowed: a container that hides parts of /proc forbids a new one, and then the old one has to do. */
const OWN_PROC = ["--mount-proc"] as const;

/**
 * Finds out, by trying with a process that ends at once, how this machine lets a process have private namespaces. Root
 * goes without a user namespace where it can: inside one it could no longer touch the files of any other user.
 */
export async function probeNamespaces(
  options: { readonly signal?: AbortSignal } = {},
): Promise<NamespaceSupport> {
  const root = process.geteuid?.() === 0;
  const kinds: readonly NamespaceKind[] = root ? ["root", "user"] : ["user"];
  let reason = "";
  for (const kind of kinds) {
    const flags = kind === "user" ? [...USER, ...COMMON] : COMMON;
    for (const unshare of [[...flags, ...OWN_PROC], flags]) {
      const result = await run("unshare", [...unshare, "--", "true"], {
        env: toolEnvironment(),
        ...options,
      });
      if (result.status === 0) return { available: true, kind, unshare };
      reason = result.reason;
      if (result.missing) return { available: false, reason, cure: "apt-get install util-linux" };
    }
  }
  return { available: false, reason, cure: await cure() };
}

async function cure(): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  const setting = async (name: string) => {
    try {
      return (await readFile(`/proc/sys/${name}`, "utf8")).trim();
    } catch {
      return "";
    }
  };
  if ((await setting("user/max_user_namespaces")) === "0") return "sysctl user.max_user_namespaces=15000";
  if ((await setting("kernel/unprivileged_userns_clone")) === "0")
    return "sysctl kernel.unprivileged_userns_clone=1";
  if ((await setting("kernel/apparmor_restrict_unprivileged_userns")) === "1")
    return "sysctl kernel.apparmor_restrict_unprivileged_userns=0";
  return "run sanlab as root, or allow user namespaces (in a container: a seccomp profile that lets unshare pass)";
}
