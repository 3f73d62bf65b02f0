export type Architecture = "x86" | "x64";

/** What the kernel tells of the stopped processor with each state change. */
export interface ControlReport {
  readonly dr6: bigint;
  readonly dr7: bigint;
  readonly eflags: number;
  readonly codeSegment: number;
  /** The bytes at the program counter, 16 at most. */
  readonly instructions: Buffer;
}

interface Layout {
  readonly dr6: number;
  readonly dr7: number;
  readonly wide: boolean;
  readonly eflags: number;
  readonly count: number;
  readonly stream: number;
  readonly codeSegment: number;
  readonly end: number;
}

/** Offsets in the body of a state change. Those of x64 come from headers and have not been seen on a line. */
const layouts: Readonly<Record<Architecture, Layout>> = {
  x86: { dr6: 192, dr7: 196, wide: false, count: 200, stream: 204, codeSegment: 220, eflags: 228, end: 232 },
  x64: { dr6: 192, dr7: 200, wide: true, eflags: 208, count: 212, stream: 216, codeSegment: 232, end: 240 },
};

/** Undefined when the body ends before the report does. */
export function readControlReport(body: Buffer, architecture: Architecture): ControlReport | undefined {
  const layout = layouts[architecture];
  if (body.length < layout.end) return undefined;
  const register = (at: number) => (layout.wide ? body.readBigUInt64LE(at) : BigInt(body.readUInt32LE(at)));
  const count = Math.min(body.readUInt16LE(layout.count), 16);
  return {
    dr6: register(layout.dr6),
    dr7: register(layout.dr7),
    eflags: body.readUInt32LE(layout.eflags),
    codeSegment: body.readUInt16LE(layout.codeSegment),
    instructions: Buffer.from(body.subarray(layout.stream, layout.stream + count)),
  };
}

const codeSegments: Readonly<Record<Architecture, readonly number[]>> = {
  x86: [0x08, 0x1b],
  x64: [0x10, 0x23, 0x33],
};

/** Whether a report can be right: a wrong layout would put a wrong value into the debug registers. */
export function isSound(report: ControlReport, architecture: Architecture): boolean {
  return codeSegments[architecture].includes(report.codeSegment) && report.dr7 < 1n << 32n;
}
