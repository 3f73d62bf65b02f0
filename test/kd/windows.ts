/** Pieces of a pretended kernel's memory and answers, laid out by hand for 32 and 64 bits. */

const kernelBase32 = 0xffff_ffff_8040_0000n;

export function version32(): Buffer {
  const version = Buffer.alloc(40);
  version.writeUInt16LE(0x0c, 0);
  version.writeUInt16LE(3790, 2);
  version.writeUInt8(6, 4);
  version.writeUInt16LE(2, 6);
  version.writeUInt16LE(0x14c, 8);
  version.writeBigUInt64LE(kernelBase32, 16);
  version.writeBigUInt64LE(0xffff_ffff_8050_0000n, 24);
  version.writeBigUInt64LE(0xffff_ffff_8051_0000n, 32);
  return version;
}

export function version64(): Buffer {
  const version = Buffer.alloc(40);
  version.writeUInt16LE(0x0f, 0);
  version.writeUInt16LE(19041, 2);
  version.writeUInt8(6, 4);
  version.writeUInt16LE(6, 6);
  version.writeUInt16LE(0x8664, 8);
  version.writeBigUInt64LE(0xffff_f800_1000_0000n, 16);
  return version;
}

export function context32(eip: number, eax: number): Buffer {
  const context = Buffer.alloc(716);
  context.writeUInt32LE(0x1003f, 0);
  context.writeUInt32LE(eax, 0xb0);
  context.writeUInt32LE(eip, 0xb8);
  return context;
}

/** Two modules, three processes, and the bugcheck's data, behind the addresses of `version32`. */
export function memory32(bugcheck: readonly number[] = [0, 0, 0, 0, 0]): ReadonlyMap<bigint, Buffer> {
  const block = Buffer.alloc(0x90);
  block.write("KDBG", 16, "latin1");
  block.writeUInt32LE(0x90, 20);
  block.writeBigUInt64LE(kernelBase32, 24);
  block.writeBigUInt64LE(0xffff_ffff_8050_0000n, 0x48);
  block.writeBigUInt64LE(0xffff_ffff_8052_0000n, 0x50);
  block.writeBigUInt64LE(0xffff_ffff_8053_0000n, 0x88);
  return new Map([
    [extended(0x8051_0000), words(0x8054_0000, 0x8054_0000)],
    [extended(0x8054_0000), block],
    [extended(0x8050_0000), words(0x8060_0000, 0x8060_1000)],
    [extended(0x8060_0000), module(0x8060_1000, 0x8040_0000, 0x20f000, 0x8061_0000, 12)],
    [extended(0x8060_1000), module(0x8050_0000, 0x80a0_0000, 0x2f000, 0x8061_1000, 7)],
    [extended(0x8061_0000), Buffer.from("ntoskrnl.exe", "utf16le")],
    [extended(0x8061_1000), Buffer.from("hal.dll", "utf16le")],
    [extended(0x8052_0000), words(0x8062_0000, 0x8062_2000)],
    [extended(0x8062_0000), process(0x8062_1000, "System")],
    [extended(0x8062_1000), process(0x8062_2000, "smss.exe")],
    [extended(0x8062_2000), process(0x8052_0000, "winlogon.exe")],
    [extended(0x8053_0000), words(...bugcheck)],
  ]);
}

function extended(address: number): bigint {
  return BigInt(address) + 0xffff_ffff_0000_0000n;
}

function words(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) buffer.writeUInt32LE(value, 4 * index);
  return buffer;
}

function module(next: number, base: number, size: number, name: number, length: number): Buffer {
  return words(next, 0, 0, 0, 0, 0, base, 0, size, 0, 0, ((length * 2) << 16) | (length * 2), name, 0);
}

function process(next: number, name: string): Buffer {
  const record = Buffer.alloc(0x200);
  record.writeUInt32LE(next, 0);
  record.write(`${name}\0`, 0xec, "latin1");
  return record;
}
