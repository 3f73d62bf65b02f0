import type { ControlReport } from "./control-report.ts";
import type { StopReason } from "./events.ts";

const breakpoint = 0x8000_0003;
const singleStep = 0x8000_0004;
const assertionFailure = 0xc000_0420;

const reasons: Readonly<Record<number, StopReason>> = {
  1: "break-in",
  2: "sysrq",
  3: "bugcheck",
  4: "bugcheck-again",
  5: "fatal",
  6: "debug-control",
  7: "worker",
};

export function reasonOf(code: number): StopReason | undefined {
  return reasons[code];
}

/** Whether the processor stands at the kernel's own breakpoint: `int3; ret 4` on x86, `int3; ret` on x64. */
export function atOwnBreakpoint(code: number, { instructions }: ControlReport): boolean {
  if (code !== breakpoint || instructions[0] !== 0xcc) return false;
  return (instructions[1] === 0xc2 && instructions[2] === 4) || instructions[1] === 0xc3;
}

/**
 * How many bytes the program counter must go on so that the kernel does not stop at the same instruction again: it is told
 * at a breakpoint where the instruction is, not what comes after.
 */
export function bytesToSkip(code: number, { instructions }: ControlReport): number {
  if (code === breakpoint) return instructions[0] === 0xcc ? 1 : 0;
  return code === assertionFailure && instructions[0] === 0xcd && instructions[1] === 0x2c ? 2 : 0;
}

/** What a debugger takes as handled; anything else is left to the kernel's own handlers. */
export function isHandled(code: number): boolean {
  return code === breakpoint || code === singleStep || code === assertionFailure;
}
