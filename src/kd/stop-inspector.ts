import { describeBugcheck } from "./bugcheck.ts";
import type { Context } from "./context.ts";
import { isSound, type ControlReport } from "./control-report.ts";
import { KdError } from "./errors.ts";
import { hex, type BugcheckEvent, type KdEvent, type StopReason } from "./events.ts";
import { readBugcheck, readDebuggerData, readModules, readProcesses } from "./kernel-memory.ts";
import type { ExceptionChange, StateChange } from "./state-change.ts";
import { atOwnBreakpoint, bytesToSkip, isHandled, reasonOf } from "./stop-reason.ts";
import type { StoppedKernel } from "./stopped-kernel.ts";
import type { KdVersion } from "./version.ts";

/**
 * What is read and changed while a kernel stands at a stop. A layout that does not fit is told once and never
 * acted upon.
 */
export class StopInspector {
  readonly #tell: (event: KdEvent) => void;
  #misfits = new Set<string>();

  constructor(tell: (event: KdEvent) => void) {
    this.#tell = tell;
  }

  /** Why the kernel stopped itself, if it did. */
  async reason(
    kernel: StoppedKernel,
    change: ExceptionChange,
    version: KdVersion,
  ): Promise<StopReason | undefined> {
    const report = this.report(change, version);
    if (report === undefined || !atOwnBreakpoint(change.code, report)) return undefined;
    const context = await this.#context(kernel, change, version);
    return context === undefined ? undefined : reasonOf(context.breakReason);
  }

  async bugcheck(kernel: StoppedKernel, version: KdVersion): Promise<BugcheckEvent | undefined> {
    return this.#attempt(async () => {
      const data = await readDebuggerData(kernel, version);
      const found = data === undefined ? undefined : await readBugcheck(kernel, version, data);
      if (found === undefined) return undefined;
      return describeBugcheck(found.code, found.parameters, {
        source: "memory",
        digits: 2 * version.pointers,
      });
    });
  }

  /** Tells the kernel's own lists. */
  async lists(kernel: StoppedKernel, version: KdVersion): Promise<void> {
    const modules = await this.#attempt(() => readModules(kernel, version));
    if (modules === undefined) return;
    const processes = await this.#attempt(async () => {
      const data = await readDebuggerData(kernel, version);
      return data === undefined ? [] : readProcesses(kernel, version, data);
    });
    this.#tell({ kind: "kernel", modules: modules.map(describeModule), processes: processes ?? [] });
  }

  /** Lets the kernel go on, behind the instruction that stopped it where that is needed. */
  async continue(kernel: StoppedKernel, version: KdVersion | undefined): Promise<void> {
    const { change } = kernel;
    const report = version === undefined ? undefined : this.report(change, version);
    let handled = true;
    if (change.kind === "exception") {
      handled = isHandled(change.code);
      const skip = report === undefined ? 0 : bytesToSkip(change.code, report);
      const context =
        skip > 0 && version !== undefined ? await this.#context(kernel, change, version) : undefined;
      if (context !== undefined) await kernel.setContext(context.advanced(skip));
    }
    // Whether it was delivered is not waited for: the kernel's next packet says so as well as an acknowledgement,
    // and a stop that is over by now needs none.
    kernel.continue(handled, { architecture: version?.architecture, report }).catch(() => {});
  }

  /** The control report, if its layout is known and it can be right. */
  report(change: StateChange, version: KdVersion): ControlReport | undefined {
    const { architecture } = version;
    if (architecture === undefined) {
      this.#misfit(`the kernel's machine type ${hex(version.machine, 4)} is not known; it is only watched`);
      return undefined;
    }
    const report = change.report[architecture];
    if (report !== undefined && isSound(report, architecture)) return report;
    this.#misfit(`the kernel's control report does not have the ${architecture} layout known here`);
    return undefined;
  }

  /** The registers, if their record stands where the state change says. */
  async #context(
    kernel: StoppedKernel,
    change: ExceptionChange,
    version: KdVersion,
  ): Promise<Context | undefined> {
    const { architecture } = version;
    if (architecture === undefined) return undefined;
    const context = await this.#attempt(() => kernel.context(architecture));
    if (context === undefined || context.programCounter === change.programCounter) return context;
    this.#misfit(
      `the kernel's ${architecture} context has ${hex(context.programCounter, 16)} where the state change has ${hex(change.programCounter, 16)} as program counter`,
    );
    return undefined;
  }

  /** What the kernel refuses or has in another form is done without; a kernel that does not answer is not. */
  async #attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof KdError) || !(error.code === "KD_MISFIT" || error.code === "KD_REFUSED"))
        throw error;
      if (error.code === "KD_MISFIT") this.#misfit(error.message);
      return undefined;
    }
  }

  #misfit(message: string): void {
    if (this.#misfits.has(message)) return;
    this.#misfits.add(message);
    this.#tell({ kind: "misfit", message });
  }
}

function describeModule(module: { readonly name: string; readonly base: bigint; readonly size: number }): {
  name: string;
  base: string;
  size: number;
} {
  return { name: module.name, base: hex(module.base, 16), size: module.size };
}
