import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { text } from "node:stream/consumers";

export interface ProgramResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of this project in a network namespace of its own, where it may do as root does. */
export async function inNamespace(program: string, ...args: readonly string[]): Promise<ProgramResult> {
  return await runCommand("unshare", [
    "--map-root-user",
    "--net",
    "--",
    process.execPath,
    "--conditions=source",
    program,
    ...args,
  ]);
}

export async function runCommand(file: string, args: readonly string[]): Promise<ProgramResult> {
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PATH: `${process.env["PATH"]}${path.delimiter}/usr/sbin${path.delimiter}/sbin` },
  });
  const closed = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { status: child.exitCode, stdout, stderr };
}
