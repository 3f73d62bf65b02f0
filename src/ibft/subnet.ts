import { parseIp } from "#core";

/** Whether two addresses share their first `prefix` bits; false where either is none or their families differ. */
export function inSameSubnet(a: string | null, b: string | null, prefix: number): boolean {
  const [left, right] = [parseIp(a ?? ""), parseIp(b ?? "")];
  if (left === undefined || right === undefined || left.length !== right.length || prefix > left.length * 8)
    return false;
  return left.every((byte, i) => {
    const bits = Math.min(8, Math.max(0, prefix - i * 8));
    const mask = (0xff00 >> bits) & 0xff;
    return (byte & mask) === ((right[i] ?? 0) & mask);
  });
}
