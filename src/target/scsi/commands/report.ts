import {
  cdbSpecs,
  cdbUsage,
  writeCommandSupport,
  writeReportLuns,
  writeSense,
  writeSupportedCommands,
  type CdbName,
  type CdbSpec,
  type Sense,
} from "#scsi";
import { encodeLun } from "ts-iscsi-pdu";
import { invalidField } from "../check.ts";
import { answer, type Plan } from "../plan.ts";
import type { DeviceServer, Handlers, Request } from "../request.ts";

export function reportLuns(server: DeviceServer, select: number, allocationLength: number): Plan {
  const numbers = [...server.units.values()].filter((unit) => !unit.absent).map((unit) => unit.lun);
  const luns = numbers
    .sort((a, b) => a - b)
    .map((lun) => {
      const bytes = new Uint8Array(8);
      encodeLun(bytes, 0, lun);
      return bytes;
    });
  // 1 asks for well-known logical units only, and there are none.
  if (select > 2) throw invalidField(2);
  if (allocationLength < 16) throw invalidField(6);
  const list = select === 1 ? [] : luns;
  return answer(writeReportLuns(list), allocationLength);
}

export function requestSense(sense: Sense, cdb: Request<"requestSense">["cdb"]): Plan {
  return answer(writeSense(sense, { descriptor: cdb.descriptor }), cdb.allocationLength);
}

/** REPORT SUPPORTED OPERATION CODES for a device type that knows `handlers`. */
export const reportSupportedOpcodes =
  (handlers: () => Handlers) =>
  ({ cdb }: Request<"reportSupportedOperationCodes">): Plan => {
    const supported = Object.entries(cdbSpecs).filter(([name]) => Object.hasOwn(handlers(), name));
    const all = supported.map(([, spec]) => spec);
    if (cdb.reportingOptions === 0)
      return answer(writeSupportedCommands(all.map(describe), cdb.timeouts), cdb.allocationLength);
    const withOpcode = supported.filter(([, spec]) => spec.opcode === cdb.requestedOpcode);
    const hasActions = withOpcode.some(([, spec]) => spec.serviceAction !== undefined);
    if (cdb.reportingOptions > 3) throw invalidField(2, 2);
    // Asking by operation code alone for one with service actions, or the other way round (SPC-4, section 6.35.1).
    if (cdb.reportingOptions === 1 && hasActions) throw invalidField(2, 2);
    if (cdb.reportingOptions === 2 && withOpcode.length > 0 && !hasActions) throw invalidField(2, 2);
    const found = withOpcode.find(
      ([, spec]) => spec.serviceAction === undefined || spec.serviceAction === cdb.requestedServiceAction,
    );
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the names are the keys of cdbSpecs
    const usage = found === undefined ? new Uint8Array(0) : cdbUsage(found[0] as CdbName);
    return answer(
      writeCommandSupport({ supported: found !== undefined, usage }, cdb.timeouts),
      cdb.allocationLength,
    );
  };

/** REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS: abort task and set, clear set, LU reset, query, target reset. */
export function reportTaskManagement({ cdb }: Request<"reportSupportedTaskManagement">): Plan {
  const data = cdb.extended ? new Uint8Array(16) : new Uint8Array(4);
  data.set([0xde, 0x07]);
  if (cdb.extended) data[3] = 12;
  if (cdb.allocationLength < 4) throw invalidField(6);
  return answer(data, cdb.allocationLength);
}

const describe = (spec: CdbSpec) => ({
  opcode: spec.opcode,
  cdbLength: spec.length,
  ...(spec.serviceAction !== undefined && { serviceAction: spec.serviceAction }),
});
