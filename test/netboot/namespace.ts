import path from "node:path";
import { run } from "./run.ts";

const NAMESPACES = ["--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];

/**
 * Runs one of the programs beside this file in namespaces of its own, where it may make interfaces and take ports, and
 * gives what it printed as JSON. Whatever it leaves running ends with it.
 */
export async function inNamespace<T>(
  program: string,
  args: readonly string[] = [],
  wrap: readonly string[] = [],
): Promise<T> {
  const file = path.join(import.meta.dirname, "programs", program);
  const { status, stdout, stderr } = await run(
    "unshare",
    [...NAMESPACES, "--", ...wrap, process.execPath, "--conditions=source", file, ...args],
    { PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
  );
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}\n${stdout.toString()}`);
  const result: T = JSON.parse(stdout.toString());
  return result;
}
