import { execFile } from "node:child_process";
import { errorMessage } from "#core";

export interface ToolResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** One line that says why it failed: what it printed last, or what the system said. */
  readonly reason: string;
  /** The program itself is not on this machine. */
  readonly missing: boolean;
}

export interface RunToolOptions {
  /** Default: `toolEnvironment()`. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** For its standard input. */
  readonly input?: string;
  readonly signal?: AbortSignal;
}

/** Debian keeps `ip` and `tgtd` where the PATH of ordinary users does not look. */
export function toolEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const directories = (env["PATH"] ?? "/usr/bin:/bin").split(":");
  const system = ["/usr/sbin", "/sbin"].filter((directory) => !directories.includes(directory));
  return { ...env, LC_ALL: "C", PATH: [...directories, ...system].join(":") };
}

/** Runs a tool to its end. Rejects only with the signal's reason; any other failure is a result. */
export async function run(
  file: string,
  args: readonly string[],
  options: RunToolOptions = {},
): Promise<ToolResult> {
  options.signal?.throwIfAborted();
  const { promise, resolve } = Promise.withResolvers<ToolResult>();
  const child = execFile(
    file,
    args,
    {
      env: options.env ?? toolEnvironment(),
      ...(options.cwd !== undefined && { cwd: options.cwd }),
      maxBuffer: 16 << 20,
      killSignal: "SIGKILL",
      ...(options.signal ? { signal: options.signal } : {}),
    },
    (error, stdout, stderr) => {
      const code = error?.code;
      const last = stderr.trim().split("\n").at(-1) ?? "";
      resolve({
        status: typeof code === "number" ? code : error ? 127 : 0,
        stdout,
        stderr,
        reason: code === "ENOENT" ? `${file} is not installed` : last || (error ? errorMessage(error) : ""),
        missing: code === "ENOENT",
      });
    },
  );
  // A tool that ends before it has read its input breaks the pipe; its status tells why.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(options.input ?? "");
  const result = await promise;
  options.signal?.throwIfAborted();
  return result;
}
