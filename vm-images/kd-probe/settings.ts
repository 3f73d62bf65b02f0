/** How the stand-in's boot ends where its NIC and target are there; without them it always ends with the bugcheck. */
export type KdProbeEnd = keyof typeof ends;

/** Whose words it uses: sanbootconf 0.9.1, as in published logs, or 1.2.0, the last. */
export type KdProbeWording = keyof typeof wordings;

export interface KdProbeSettings {
  /** `stall`: it says nothing more, but answers a break-in; `dead`: it does not do even that. */
  readonly end?: KdProbeEnd | undefined;
  readonly wording?: KdProbeWording | undefined;
  /** How often a packet is sent before the debugger is given up; 20 unless told. */
  readonly tries?: number | undefined;
  /** How long an answer's next byte is waited for, in milliseconds; a third of a second unless told. */
  readonly timeoutMs?: number | undefined;
}

const ends = { login: 0, bugcheck: 1, stall: 2, dead: 3 } as const;
const wordings = { "0.9": 0, "1.2": 1 } as const;

/**
 * The disk's second sector, which the program reads its settings from: `KDPROBE` and a 0, the end (1), the wording (1),
 * tries (2), time-out in milliseconds (4), zeros.
 */
export function settingsSector(settings: KdProbeSettings): Buffer {
  const sector = Buffer.alloc(512);
  sector.write("KDPROBE", 0, "latin1");
  sector.writeUInt8(ends[settings.end ?? "login"], 8);
  sector.writeUInt8(wordings[settings.wording ?? "0.9"], 9);
  sector.writeUInt16LE(settings.tries ?? 20, 10);
  sector.writeUInt32LE(settings.timeoutMs ?? 330, 12);
  return sector;
}
