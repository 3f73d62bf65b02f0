import { ModePage, dpoFuaBit, readModeParameters, writeModeParameters, writeProtectBit } from "#scsi";
import { invalidField, invalidParameter, parameterListLengthError, savingNotSupported } from "../check.ts";
import { PageControl } from "../mode-pages.ts";
import { answer, done, good, type Plan } from "../plan.ts";
import type { Request } from "../request.ts";

export function modeSense({ unit, cdb }: Request<"modeSense6" | "modeSense10">): Plan {
  if (cdb.pageControl === PageControl.Saved) throw savingNotSupported();
  if (cdb.subpage !== 0 && cdb.subpage !== 0xff) throw invalidField(3);
  const pages = unit.modes.read(cdb.page, cdb.pageControl);
  if (pages.length === 0) throw invalidField(2, 5);
  const long = cdb.command === "modeSense10" && cdb.longLba;
  const withDescriptor = unit.type === "disk" && !cdb.disableBlockDescriptors;
  const parameters = {
    mediumType: 0,
    deviceSpecific: (unit.writeProtected ? writeProtectBit : 0) | (unit.type === "disk" ? dpoFuaBit : 0),
    ...(withDescriptor && { blockDescriptor: { blocks: unit.blocks, blockSize: unit.blockSize, long } }),
    pages,
  };
  return answer(writeModeParameters(parameters, cdb.command === "modeSense6" ? 6 : 10), cdb.allocationLength);
}

export function modeSelect({ unit, nexus, cdb }: Request<"modeSelect6" | "modeSelect10">): Plan {
  if (cdb.savePages) throw invalidField(1, 0);
  if (!cdb.pageFormat) throw invalidField(1, 4);
  if (cdb.parameterListLength === 0) return done;
  const command = cdb.command === "modeSelect6" ? 6 : 10;
  return {
    kind: "gather",
    length: cdb.parameterListLength,
    finish: async (data) => {
      const parameters = readModeParameters(data, command);
      if (parameters === undefined) throw parameterListLengthError();
      const size = parameters.blockDescriptor?.blockSize;
      if (size !== undefined && size !== 0 && size !== unit.blockSize)
        throw invalidParameter(command === 6 ? 9 : 13);
      for (const page of parameters.pages)
        if (page.page === ModePage.All || unit.modes.refuses(page) !== undefined)
          throw invalidParameter(command === 6 ? 4 : 8);
      const changed = parameters.pages.map((page) => unit.modes.write(page)).includes(true);
      if (changed) unit.attention(0x2a, 0x01, (other) => other === nexus);
      return good;
    },
  };
}
