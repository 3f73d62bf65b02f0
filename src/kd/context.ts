import type { Architecture } from "./control-report.ts";
import { KdError } from "./errors.ts";

interface ContextLayout {
  readonly length: number;
  readonly wide: boolean;
  readonly programCounter: number;
  readonly stackPointer: number;
  readonly flags: number;
  /** Holds the reason at the kernel's own breakpoint. */
  readonly breakReason: number;
}

/** Offsets in the CONTEXT record. Those of x64 come from headers and have not been seen on a line. */
const layouts: Readonly<Record<Architecture, ContextLayout>> = {
  x86: {
    length: 716,
    wide: false,
    programCounter: 0xb8,
    stackPointer: 0xc4,
    flags: 0xc0,
    breakReason: 0xb0,
  },
  x64: {
    length: 1232,
    wide: true,
    programCounter: 0xf8,
    stackPointer: 0x98,
    flags: 0x44,
    breakReason: 0x80,
  },
};

/** The registers of a stopped processor, as the kernel sent them; what is not named here is kept as it is. */
export class Context {
  readonly architecture: Architecture;
  readonly bytes: Buffer;
  readonly #layout: ContextLayout;

  /** @throws {KdError} KD_MISFIT when the record does not have the architecture's length */
  constructor(architecture: Architecture, bytes: Buffer) {
    this.#layout = layouts[architecture];
    if (bytes.length !== this.#layout.length)
      throw new KdError(
        "KD_MISFIT",
        `the kernel's ${architecture} context has ${bytes.length} bytes instead of ${this.#layout.length}; this version of Windows is not known`,
        { details: { architecture, length: bytes.length } },
      );
    this.architecture = architecture;
    this.bytes = Buffer.from(bytes);
  }

  /** As 64 bits; that of a 32-bit kernel sign-extended, as in a state change. */
  get programCounter(): bigint {
    return this.#register(this.#layout.programCounter);
  }

  get stackPointer(): bigint {
    return this.#register(this.#layout.stackPointer);
  }

  get flags(): number {
    return this.bytes.readUInt32LE(this.#layout.flags);
  }

  /** Why the kernel stopped itself; only where it stands at its own breakpoint. */
  get breakReason(): number {
    return this.bytes.readUInt32LE(this.#layout.breakReason);
  }

  /** The same registers with the program counter `bytes` further on. */
  advanced(bytes: number): Context {
    const next = new Context(this.architecture, this.bytes);
    const counter = this.programCounter + BigInt(bytes);
    if (this.#layout.wide)
      next.bytes.writeBigUInt64LE(BigInt.asUintN(64, counter), this.#layout.programCounter);
    else next.bytes.writeUInt32LE(Number(BigInt.asUintN(32, counter)), this.#layout.programCounter);
    return next;
  }

  #register(at: number): bigint {
    if (this.#layout.wide) return this.bytes.readBigUInt64LE(at);
    return BigInt.asUintN(64, BigInt(this.bytes.readInt32LE(at)));
  }
}
