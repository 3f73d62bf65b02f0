/**
 * What is seen on a debugger's line, ready for JSON: addresses, codes and parameters are hexadecimal text with `0x`, so
 * that no 64-bit number loses digits. `text` of prints is verbatim; a line may be many prints, a print many lines.
 */
export type KdEvent =
  | { readonly kind: "print"; readonly text: string }
  | { readonly kind: "prompt"; readonly text: string }
  | {
      readonly kind: "module";
      readonly path: string;
      readonly base: string;
      readonly size: number;
      readonly unload: boolean;
    }
  | StopEvent
  | BugcheckEvent
  /** Plain text on the port, a line at a time: of firmware, loader, EMS, or garbage. */
  | { readonly kind: "text"; readonly text: string }
  /** A kernel has started, or had given its debugger up. */
  | { readonly kind: "session"; readonly number: number }
  | VersionEvent
  /** The machine is about to restart or go off. */
  | { readonly kind: "shutdown" }
  | { readonly kind: "command"; readonly name: string; readonly command: string }
  | { readonly kind: "file"; readonly operation: string; readonly name?: string }
  | { readonly kind: "manipulate"; readonly name: string; readonly request: boolean; readonly status: string }
  | { readonly kind: "unknown"; readonly type: number; readonly length: number }
  /** Something does not have the layout known here, and was left alone for that reason. */
  | { readonly kind: "misfit"; readonly message: string }
  | KernelEvent
  | LostEvent;

export interface StopEvent {
  readonly kind: "stop";
  readonly code: string;
  readonly name?: string;
  readonly address: string;
  readonly firstChance: boolean;
  readonly processor: number;
  readonly parameters: readonly string[];
  /** Why the kernel stopped itself, where it says so. */
  readonly reason?: StopReason;
}

export type StopReason =
  | "break-in"
  | "sysrq"
  | "bugcheck"
  | "bugcheck-again"
  | "fatal"
  | "debug-control"
  | "worker";

export interface BugcheckEvent {
  readonly kind: "bugcheck";
  readonly code: string;
  readonly parameters: readonly string[];
  readonly name?: string;
  /** The NTSTATUS among the parameters, by its name where that is known. */
  readonly status?: string;
  readonly source: "print" | "memory";
}

export interface VersionEvent {
  readonly kind: "version";
  readonly build: number;
  readonly checked: boolean;
  /** `boot`: a boot manager or loader that is debugged itself, before there is a kernel. */
  readonly system: "kernel" | "boot";
  readonly machine: string;
  readonly architecture?: string;
  readonly protocol: number;
  readonly kernelBase: string;
  readonly moduleList: string;
}

/** What the kernel's own lists say at a stop. */
export interface KernelEvent {
  readonly kind: "kernel";
  readonly modules: readonly { readonly name: string; readonly base: string; readonly size: number }[];
  readonly processes: readonly string[];
}

/**
 * No contact: `never-spoke` (not one packet came), `silent` (the kernel neither speaks nor answers a break-in), `stuck` (it
 * stops at one place for ever), `closed` (the line ended), `gave-up` (it is stopped and does not answer requests).
 */
export interface LostEvent {
  readonly kind: "lost";
  readonly reason: "never-spoke" | "silent" | "stuck" | "closed" | "gave-up";
  readonly message: string;
}

/** Counts of what was delivered; `repeats` were recognised as sent before, `damaged` were not delivered. */
export interface KdSummary {
  readonly packets: number;
  readonly prints: number;
  readonly modules: number;
  readonly stops: number;
  readonly repeats: number;
  readonly damaged: number;
}

export function hex(value: bigint | number, digits = 8): string {
  const unsigned = typeof value === "bigint" ? BigInt.asUintN(64, value) : value >>> 0;
  return `0x${unsigned.toString(16).padStart(digits, "0")}`;
}
