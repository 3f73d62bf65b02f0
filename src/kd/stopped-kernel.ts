import { Context } from "./context.ts";
import { isSound, type Architecture, type ControlReport } from "./control-report.ts";
import { KdError } from "./errors.ts";
import {
  ManipulateApi,
  type ManipulateApiName,
  type ManipulateMessage,
  type Processor,
} from "./manipulate.ts";
import type { Requests } from "./requests.ts";
import type { Delivery } from "./sender.ts";
import type { StateChange } from "./state-change.ts";
import { readVersion, type KdVersion } from "./version.ts";

/** The most data that fits into one message next to its fixed part. */
const maxData = 3944;
const statusContinue = 0x0001_0002;
const statusNotHandled = 0x8001_0001;

/**
 * A kernel while it is stopped, at one state change. Every method throws KdError: KD_RUNNING once it goes on,
 * KD_REFUSED where it says no, KD_NO_REPLY, KD_RESET and KD_CLOSED where no answer comes.
 */
export class StoppedKernel {
  readonly change: StateChange;
  readonly #requests: Requests;
  readonly #processor: Processor;
  #over: KdError | undefined;

  constructor(requests: Requests, change: StateChange) {
    this.#requests = requests;
    this.change = change;
    this.#processor = { processor: change.processor, processorLevel: change.processorLevel };
  }

  async version(): Promise<KdVersion> {
    return readVersion((await this.#ask("GetVersion", Buffer.alloc(0))).parameters);
  }

  /** Reads virtual memory. The result is shorter than `length` where the memory ends; what could be read is good. */
  async readVirtual(address: bigint, length: number): Promise<Buffer> {
    return this.#read("ReadVirtualMemory", address, length);
  }

  async writeVirtual(address: bigint, data: Uint8Array): Promise<void> {
    await this.#write("WriteVirtualMemory", address, data);
  }

  async readPhysical(address: bigint, length: number): Promise<Buffer> {
    return this.#read("ReadPhysicalMemory", address, length);
  }

  async writePhysical(address: bigint, data: Uint8Array): Promise<void> {
    await this.#write("WritePhysicalMemory", address, data);
  }

  /** Reads a processor's control space; on x64 address 0 holds the KPCR, 1 the KPRCB, 2 special registers, 3 the KTHREAD. */
  async readControlSpace(address: bigint, length: number): Promise<Buffer> {
    return this.#read("ReadControlSpace", address, length);
  }

  async writeControlSpace(address: bigint, data: Uint8Array): Promise<void> {
    await this.#write("WriteControlSpace", address, data);
  }

  async readPort(port: number, size: 1 | 2 | 4): Promise<number> {
    const reply = await this.#ask("ReadIoSpace", portParameters(port, size, 0));
    return reply.parameters.readUInt32LE(12);
  }

  async writePort(port: number, size: 1 | 2 | 4, value: number): Promise<void> {
    await this.#ask("WriteIoSpace", portParameters(port, size, value));
  }

  async readMsr(register: number): Promise<bigint> {
    const { parameters } = await this.#ask("ReadMachineSpecificRegister", words(register));
    return BigInt(parameters.readUInt32LE(4)) | (BigInt(parameters.readUInt32LE(8)) << 32n);
  }

  async writeMsr(register: number, value: bigint): Promise<void> {
    const low = Number(BigInt.asUintN(32, value));
    const high = Number(BigInt.asUintN(32, value >> 32n));
    await this.#ask("WriteMachineSpecificRegister", words(register, low, high));
  }

  async context(architecture: Architecture): Promise<Context> {
    return new Context(architecture, (await this.#ask("GetContext", Buffer.alloc(0))).data);
  }

  /** A kernel takes a context only after it has given one at the same stop. */
  async setContext(context: Context): Promise<void> {
    await this.#ask("SetContext", words(context.flags), context.bytes);
  }

  /** Sets a breakpoint and returns its handle. */
  async setBreakpoint(address: bigint): Promise<number> {
    const parameters = Buffer.alloc(16);
    parameters.writeBigUInt64LE(BigInt.asUintN(64, address), 0);
    return (await this.#ask("WriteBreakPoint", parameters)).parameters.readUInt32LE(8);
  }

  async clearBreakpoint(handle: number): Promise<void> {
    await this.#ask("RestoreBreakPoint", words(handle));
  }

  /**
   * Lets the kernel go on. `report`, in the layout of the architecture, leaves the debug registers as they are; without
   * one that is sound the older Continue is used, which does not touch them.
   */
  async continue(
    handled: boolean,
    about: { readonly architecture: Architecture | undefined; readonly report: ControlReport | undefined },
  ): Promise<Delivery> {
    const status = handled ? statusContinue : statusNotHandled;
    const { architecture, report } = about;
    if (architecture === undefined || report === undefined || !isSound(report, architecture))
      return this.#leave("Continue", words(status));
    return this.#leave("Continue2", continueParameters(status, report.dr7, architecture));
  }

  /** Resets the machine. */
  async reboot(): Promise<Delivery> {
    return this.#leave("Reboot", Buffer.alloc(0));
  }

  /** Makes the kernel stop with bugcheck 0xE2, which writes a crash dump. */
  async causeBugcheck(): Promise<Delivery> {
    return this.#leave("CauseBugCheck", Buffer.alloc(0));
  }

  /** Asks for the state of another processor, which comes as a new stop. */
  async switchProcessor(processor: number): Promise<Delivery> {
    return this.#leave("SwitchProcessor", Buffer.alloc(0), processor);
  }

  /** The kernel is not at this stop any more; what is asked from now on throws `why`. */
  end(why: KdError): void {
    this.#over ??= why;
  }

  async #ask(name: ManipulateApiName, parameters: Uint8Array, data?: Uint8Array): Promise<ManipulateMessage> {
    const reply = await this.#try(name, parameters, data);
    if (reply.status !== 0) throw refused(name, reply.status);
    return reply;
  }

  async #try(name: ManipulateApiName, parameters: Uint8Array, data?: Uint8Array): Promise<ManipulateMessage> {
    if (this.#over !== undefined) throw this.#over;
    const request = { ...this.#processor, api: ManipulateApi[name], parameters, data };
    return this.#requests.ask(request, () => this.#over);
  }

  async #leave(
    name: ManipulateApiName,
    parameters: Uint8Array,
    processor = this.#processor.processor,
  ): Promise<Delivery> {
    if (this.#over !== undefined) throw this.#over;
    this.end(new KdError("KD_RUNNING", `the kernel is not stopped any more since ${name}`));
    return this.#requests.tell({ ...this.#processor, processor, api: ManipulateApi[name], parameters });
  }

  async #read(name: ManipulateApiName, address: bigint, length: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let done = 0; done < length;) {
      const count = Math.min(length - done, maxData);
      const reply = await this.#try(name, memoryParameters(address + BigInt(done), count));
      const piece = reply.data.subarray(0, Math.min(count, reply.parameters.readUInt32LE(12)));
      pieces.push(piece);
      done += piece.length;
      if (piece.length === 0 && done === 0 && reply.status !== 0) throw refused(name, reply.status);
      if (piece.length < count) break;
    }
    return Buffer.concat(pieces);
  }

  async #write(name: ManipulateApiName, address: bigint, data: Uint8Array): Promise<void> {
    for (let done = 0; done < data.length; done += maxData) {
      const piece = data.subarray(done, done + maxData);
      await this.#ask(name, memoryParameters(address + BigInt(done), piece.length), piece);
    }
  }
}

function refused(name: string, status: number): KdError {
  const hex = `0x${status.toString(16).padStart(8, "0")}`;
  return new KdError("KD_REFUSED", `the kernel refused ${name} with status ${hex}`, {
    details: { request: name, status },
  });
}

/** Address (8), count (4), and 4 bytes that a reply fills with the count done. */
function memoryParameters(address: bigint, count: number): Buffer {
  const parameters = Buffer.alloc(16);
  parameters.writeBigUInt64LE(BigInt.asUintN(64, address), 0);
  parameters.writeUInt32LE(count, 8);
  return parameters;
}

/** Port (8), size (4), value (4). */
function portParameters(port: number, size: number, value: number): Buffer {
  const parameters = Buffer.alloc(16);
  parameters.writeBigUInt64LE(BigInt(port), 0);
  parameters.writeUInt32LE(size, 8);
  parameters.writeUInt32LE(value, 12);
  return parameters;
}

/**
 * Status (4) and the control set, packed by 4: trace flag (4), Dr7 (4; x64 8), symbol start (4; 8), symbol end (4; 8).
 * A symbol start of 1 leaves the range of the step alone.
 */
function continueParameters(status: number, dr7: bigint, architecture: Architecture): Buffer {
  if (architecture === "x86") return words(status, 0, Number(dr7), 1, 0);
  const parameters = Buffer.alloc(32);
  parameters.writeUInt32LE(status, 0);
  parameters.writeBigUInt64LE(dr7, 8);
  parameters.writeBigUInt64LE(1n, 16);
  return parameters;
}

function words(...values: readonly number[]): Buffer {
  const parameters = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) parameters.writeUInt32LE(value >>> 0, 4 * index);
  return parameters;
}
