import { bugcheckName, statusParameter } from "./bugcheck-names.ts";
import { hex, type BugcheckEvent } from "./events.ts";
import { statusName } from "./status-names.ts";

/** The longest announcement, with 64-bit parameters and what may stand between its parts. */
const windowLength = 400;
const announcement =
  /\*\*\* Fatal System Error: 0x([0-9a-f]{8,16})\s*\(0x([0-9a-f]{8,16}),0x([0-9a-f]{8,16}),0x([0-9a-f]{8,16}),0x([0-9a-f]{8,16})\)/i;

/** Finds the kernel's announcement of a bugcheck in its prints, wherever they are cut. */
export class BugcheckWatch {
  #recent = "";

  see(text: string): BugcheckEvent | undefined {
    this.#recent = (this.#recent + text).slice(-windowLength - text.length);
    const found = announcement.exec(this.#recent);
    if (found === null) {
      this.#recent = this.#recent.slice(-windowLength);
      return undefined;
    }
    this.#recent = "";
    const [code = 0n, ...parameters] = found.slice(1).map((digits) => BigInt(`0x${digits}`));
    return describeBugcheck(Number(BigInt.asUintN(32, code)), parameters, {
      source: "print",
      digits: found[2]?.length ?? 8,
    });
  }
}

/** `digits` is the width of the parameters: 8 for a 32-bit kernel, 16 for a 64-bit one. */
export function describeBugcheck(
  code: number,
  parameters: readonly bigint[],
  about: { readonly source: BugcheckEvent["source"]; readonly digits: number },
): BugcheckEvent {
  const name = bugcheckName(code) ?? statusName(code);
  const status = statusOf(code, parameters);
  return {
    kind: "bugcheck",
    code: hex(code),
    parameters: parameters.map((parameter) => hex(parameter, about.digits)),
    ...(name === undefined ? {} : { name }),
    ...(status === undefined ? {} : { status }),
    source: about.source,
  };
}

function statusOf(code: number, parameters: readonly bigint[]): string | undefined {
  const value = parameters[statusParameter(code) ?? -1];
  if (value === undefined || value === 0n) return undefined;
  const status = Number(BigInt.asUintN(32, value));
  return statusName(status) ?? hex(status);
}
