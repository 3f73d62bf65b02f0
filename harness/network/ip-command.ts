import { LabError } from "#core";
import { run } from "./run-tool.ts";

/**
 * Has iproute2 execute commands (each without the leading `ip`) one after the other, in one process; stops at the first
 * that fails.
 *
 * @throws LabError `IPROUTE2_MISSING`; `NETWORK_SETUP` with the command that failed and what `ip` said
 */
export async function ip(
  commands: readonly string[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const result = await run("ip", ["-batch", "-"], { input: `${commands.join("\n")}\n`, ...options });
  if (result.missing) throw missing();
  if (result.status === 0) return;
  // iproute2 prints the reason first and then "Command failed -:LINE".
  const line = Number(/Command failed -:(\d+)/.exec(result.stderr)?.[1] ?? 1);
  const reason = result.stderr.replaceAll(/\s*Command failed -:\d+\s*/g, "").replaceAll("\n", "; ");
  throw new LabError(
    "NETWORK_SETUP",
    `'ip ${commands[line - 1]}' failed: ${reason || `status ${result.status}`}`,
  );
}

function missing(): LabError {
  return new LabError("IPROUTE2_MISSING", "the program ip is not installed: apt-get install iproute2");
}
