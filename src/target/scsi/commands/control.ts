import { mediumRemovalPrevented } from "../check.ts";
import { done, good, type Plan } from "../plan.ts";
import type { Request } from "../request.ts";

/**
 * Only a removable medium goes away. A fixed disk flushes and stays ready: guests stop their disks when they shut down,
 * and the firmware of the next boot does not know how to start one.
 */
export function startStopUnit({ unit, nexus, cdb }: Request<"startStopUnit">): Plan {
  if (cdb.powerCondition !== 0) return done;
  if (unit.removable && cdb.loadEject) {
    if (unit.removalPrevented) throw mediumRemovalPrevented();
    if (cdb.start) {
      if (unit.ejected) unit.attention(0x28, 0x00, (other) => other === nexus);
      unit.ejected = false;
      unit.started = true;
      return done;
    }
    return {
      kind: "gather",
      length: 0,
      finish: async () => {
        await unit.device.flush();
        unit.ejected = true;
        return good;
      },
    };
  }
  if (cdb.start || cdb.noFlush) return done;
  return {
    kind: "gather",
    length: 0,
    finish: async () => {
      await unit.device.flush();
      return good;
    },
  };
}

export function preventAllowMediumRemoval({ unit, nexus, cdb }: Request<"preventAllowMediumRemoval">): Plan {
  unit.preventRemoval(nexus, (cdb.prevent & 1) === 1);
  return done;
}

/** The default self-test: there is nothing to test that a read would not find. */
export function sendDiagnostic(): Plan {
  return done;
}

/** No defects, ever. */
export function readDefectData({ cdb }: Request<"readDefectData10" | "readDefectData12">): Plan {
  const data = new Uint8Array(cdb.command === "readDefectData10" ? 4 : 8);
  data[1] = (cdb.primaryList ? 0x10 : 0) | (cdb.grownList ? 0x08 : 0) | cdb.defectListFormat;
  return { kind: "data", data: data.subarray(0, cdb.allocationLength) };
}

export function reserve({ unit, nexus }: Request): Plan {
  unit.reservedBy = nexus;
  return done;
}

/** A release by one who holds nothing is good and does nothing (SPC-2, section 7.15). */
export function release({ unit, nexus }: Request): Plan {
  if (unit.reservedBy === nexus) unit.reservedBy = undefined;
  return done;
}
