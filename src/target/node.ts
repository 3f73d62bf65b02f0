import { UsageError } from "#core";
import type { ChapUsers } from "./login/chap.ts";
import type { Redirect, TargetNodeOptions } from "./options.ts";
import { LogicalUnit } from "./scsi/logical-unit.ts";
import type { DeviceServer } from "./scsi/request.ts";

/** One target name with its logical units. */
export class TargetNode implements DeviceServer {
  readonly name: string;
  readonly portalGroup = 1;
  readonly units: ReadonlyMap<number, LogicalUnit>;
  readonly auth: ChapUsers | undefined;
  readonly #initiators: ReadonlySet<string> | undefined;
  redirect: Redirect | undefined;
  /** Ends tasks of initiator ports; set by the server that knows the sessions. */
  #abort: DeviceServer["abortTasks"] = async () => undefined;

  constructor(options: TargetNodeOptions) {
    this.name = options.iqn.toLowerCase();
    this.auth = options.auth;
    this.redirect = options.redirect;
    this.#initiators = options.initiators && new Set(options.initiators.map((name) => name.toLowerCase()));
    const units = new Map<number, LogicalUnit>();
    for (const lun of options.luns) {
      if (!Number.isInteger(lun.lun) || lun.lun < 0 || lun.lun > 0xff_ffff)
        throw new UsageError("BAD_LUN", `${lun.lun} is no LUN; one is a whole number from 0 to 16777215`);
      if (units.has(lun.lun))
        throw new UsageError("BAD_LUN", `two logical units of ${options.iqn} have the LUN ${lun.lun}`);
      units.set(lun.lun, new LogicalUnit(this.name, lun));
    }
    this.units = units;
  }

  admits(initiatorName: string): boolean {
    return this.#initiators === undefined || this.#initiators.has(initiatorName.toLowerCase());
  }

  onAbort(abort: DeviceServer["abortTasks"]): void {
    this.#abort = abort;
  }

  abortTasks(unit: LogicalUnit, ports: readonly string[]): Promise<void> {
    return this.#abort(unit, ports);
  }
}
