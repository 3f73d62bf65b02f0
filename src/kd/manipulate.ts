import { apiOf } from "./message-api.ts";

/** What a debugger may ask of a stopped kernel. */
export const ManipulateApi = {
  ReadVirtualMemory: 0x3130,
  WriteVirtualMemory: 0x3131,
  GetContext: 0x3132,
  SetContext: 0x3133,
  WriteBreakPoint: 0x3134,
  RestoreBreakPoint: 0x3135,
  Continue: 0x3136,
  ReadControlSpace: 0x3137,
  WriteControlSpace: 0x3138,
  ReadIoSpace: 0x3139,
  WriteIoSpace: 0x313a,
  Reboot: 0x313b,
  Continue2: 0x313c,
  ReadPhysicalMemory: 0x313d,
  WritePhysicalMemory: 0x313e,
  GetVersion: 0x3146,
  WriteBreakPointEx: 0x3147,
  RestoreBreakPointEx: 0x3148,
  CauseBugCheck: 0x3149,
  SwitchProcessor: 0x3150,
  ReadMachineSpecificRegister: 0x3152,
  WriteMachineSpecificRegister: 0x3153,
  SearchMemory: 0x3156,
  ClearAllInternalBreakpoints: 0x315a,
  FillMemory: 0x315b,
  QueryMemory: 0x315c,
  GetContextEx: 0x315f,
  SetContextEx: 0x3160,
} as const;

export type ManipulateApiName = keyof typeof ManipulateApi;

/** The fixed part: api (4), processor level (2), processor (2), status (4), unused (4), 40 bytes by api. */
const fixedLength = 56;
const parametersAt = 16;
/** The status of a request on its way, which the reply replaces. */
const statusPending = 0x103;

export interface Processor {
  readonly processor: number;
  readonly processorLevel: number;
}

export interface ManipulateRequest extends Processor {
  readonly api: number;
  /** The 40 bytes by api; missing ones are zero. */
  readonly parameters?: Uint8Array | undefined;
  readonly data?: Uint8Array | undefined;
}

export interface ManipulateMessage {
  readonly api: number;
  readonly status: number;
  readonly parameters: Buffer;
  readonly data: Buffer;
}

export function encodeRequest(request: ManipulateRequest): Buffer {
  const data = request.data ?? Buffer.alloc(0);
  const body = Buffer.alloc(fixedLength + data.length);
  body.writeUInt32LE(request.api, 0);
  body.writeUInt16LE(request.processorLevel, 4);
  body.writeUInt16LE(request.processor, 6);
  body.writeUInt32LE(statusPending, 8);
  body.set(request.parameters ?? [], parametersAt);
  body.set(data, fixedLength);
  return body;
}

/** Reads a STATE_MANIPULATE body, a request or the reply to one. Undefined when it is shorter than the fixed part. */
export function readManipulate(body: Buffer): ManipulateMessage | undefined {
  if (body.length < fixedLength) return undefined;
  return {
    api: apiOf(body),
    status: body.readUInt32LE(8),
    parameters: body.subarray(parametersAt, fixedLength),
    data: body.subarray(fixedLength),
  };
}

/** Whether a message asks or answers: a reply's status is never the pending one. */
export function isRequest(message: ManipulateMessage): boolean {
  return message.status === statusPending;
}

export function apiName(api: number): string {
  const found = Object.entries(ManipulateApi).find(([, code]) => code === api);
  return found?.[0] ?? `0x${api.toString(16)}`;
}
