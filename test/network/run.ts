import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

/** Runs a program to its end. */
export async function run(file: string, args: readonly string[], input = "") {
  const child = spawn(file, args, { stdio: "pipe" });
  child.stdin.end(input);
  const closed = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { status: child.exitCode, stdout, stderr };
}
