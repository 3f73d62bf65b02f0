import { execFile } from "node:child_process";
import { promisify } from "node:util";

const runFile = promisify(execFile);

/** Runs a client program of this machine; its output, whatever its exit status. */
export async function client(
  program: string,
  args: readonly string[],
  options: { readonly timeout?: number } = {},
): Promise<{ readonly stdout: string; readonly stderr: string; readonly status: number }> {
  try {
    const { stdout, stderr } = await runFile(program, args, {
      timeout: options.timeout ?? 60_000,
      maxBuffer: 2 ** 26,
    });
    return { stdout, stderr, status: 0 };
  } catch (error) {
    if (
      !(error instanceof Error) ||
      !("stdout" in error) ||
      !("code" in error) ||
      typeof error.code !== "number"
    )
      throw error;
    return {
      stdout: String(error.stdout),
      stderr: "stderr" in error ? String(error.stderr) : "",
      status: error.code,
    };
  }
}

export const iqn = "iqn.2026-01.org.sanlab:disk";

export const url = (address: { readonly host: string; readonly port: number }, lun = 1, name = iqn) =>
  `iscsi://${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}/${name}/${lun}`;
