import type { Request } from "../request.ts";
import { invalidField } from "../check.ts";
import { answer, type Plan } from "../plan.ts";

const leadOut = 0xaa;
const currentProfile = { none: 0x0000, cdRom: 0x0008 } as const;

/** One data track and the lead-out (MMC-6, section 6.25). */
export function readToc({ unit, cdb }: Request<"readToc">): Plan {
  if (cdb.format === 1)
    return answer(Uint8Array.of(0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0), cdb.allocationLength);
  if (cdb.format !== 0) throw invalidField(2);
  if (cdb.track > 1 && cdb.track !== leadOut) throw invalidField(6);
  const tracks = [...(cdb.track <= 1 ? [{ number: 1, lba: 0 }] : []), { number: leadOut, lba: unit.blocks }];
  const out = new Uint8Array(4 + 8 * tracks.length);
  out.set([0, out.length - 2, 1, 1]);
  for (const [index, track] of tracks.entries())
    out.set([0, 0x14, track.number, 0, ...address(track.lba, cdb.msf)], 4 + 8 * index);
  return answer(out, cdb.allocationLength);
}

/** The profile list and the core feature, which is what operating systems look at (MMC-6, section 6.5). */
export function getConfiguration({ unit, cdb }: Request<"getConfiguration">): Plan {
  const profile = unit.ejected ? currentProfile.none : currentProfile.cdRom;
  const profileList = [0, 0, 0x03, 4, 0, 0x08, profile === currentProfile.cdRom ? 1 : 0, 0];
  const core = [0, 1, 0x0b, 8, 0, 0, 0, 1, 0, 0, 0, 0];
  const removable = [0, 3, 0x03, 4, 0x29, 0, 0, 0];
  const features = [profileList, core, removable].filter(
    (feature) =>
      cdb.startingFeature <= (feature[1] ?? 0) &&
      (cdb.requestType !== 2 || feature[1] === cdb.startingFeature),
  );
  const body = features.flat();
  const out = Uint8Array.of(0, 0, 0, 4 + body.length, 0, 0, 0, profile, ...body);
  return answer(out, cdb.allocationLength);
}

/** Polled only: the media class, nothing new to tell (MMC-6, section 6.6). */
export function getEventStatusNotification({ unit, cdb }: Request<"getEventStatusNotification">): Plan {
  if (!cdb.polled) throw invalidField(1, 0);
  const media = (cdb.classes & 0x10) !== 0;
  const out = media
    ? Uint8Array.of(0, 6, 4, 0x10, 0, unit.ejected ? 0 : 2, 0, 0)
    : Uint8Array.of(0, 2, 0x80, 0x10);
  return answer(out, cdb.allocationLength);
}

/** A finished disc with one session and one track. */
export function readDiscInformation({ cdb }: Request<"readDiscInformation">): Plan {
  const out = new Uint8Array(34);
  out.set([0, 32, 0x0e, 1, 1, 1, 1, 0x20]);
  return answer(out, cdb.allocationLength);
}

const address = (lba: number, msf: boolean): readonly number[] => {
  if (!msf) return [lba >>> 24, (lba >>> 16) & 0xff, (lba >>> 8) & 0xff, lba & 0xff];
  const frames = lba + 150;
  return [0, Math.floor(frames / 4500), Math.floor(frames / 75) % 60, frames % 75];
};
