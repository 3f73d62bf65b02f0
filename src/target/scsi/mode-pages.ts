import { ModePage, type ModePageData } from "#scsi";

interface StoredPage {
  readonly page: number;
  readonly initial: Uint8Array;
  /** A set bit can be changed by MODE SELECT. */
  readonly changeable: Uint8Array;
  current: Uint8Array;
}

/** PAGE CONTROL of MODE SENSE. */
export const PageControl = { Current: 0, Changeable: 1, Default: 2, Saved: 3 } as const;

/** The mode pages of one logical unit: what they are, what may be changed, what they started as. */
export class ModePages {
  readonly #pages: readonly StoredPage[];

  constructor(deviceType: "disk" | "cdrom") {
    this.#pages = deviceType === "disk" ? diskPages() : cdPages();
  }

  /** The pages asked for, by number; page 3Fh is all of them. */
  read(page: number, control: number): readonly ModePageData[] {
    return this.#pages
      .filter((stored) => page === ModePage.All || stored.page === page)
      .map((stored) => ({
        page: stored.page,
        body:
          control === PageControl.Changeable
            ? stored.changeable
            : control === PageControl.Default
              ? stored.initial
              : stored.current,
      }));
  }

  /** Why a page cannot be stored, or undefined. */
  refuses(data: ModePageData): "unknown" | "length" | "unchangeable" | undefined {
    const stored = this.#pages.find((candidate) => candidate.page === data.page);
    if (stored === undefined || data.subpage !== undefined) return "unknown";
    if (stored.current.length !== data.body.length) return "length";
    const fixed = data.body.some(
      (byte, at) => ((byte ^ (stored.current[at] ?? 0)) & ~(stored.changeable[at] ?? 0)) !== 0,
    );
    return fixed ? "unchangeable" : undefined;
  }

  /** Stores a page that `refuses` has let through; true where that changed anything. */
  write(data: ModePageData): boolean {
    const stored = this.#pages.find((candidate) => candidate.page === data.page);
    if (stored === undefined || Buffer.compare(stored.current, data.body) === 0) return false;
    stored.current = Uint8Array.from(data.body);
    return true;
  }

  reset(): void {
    for (const stored of this.#pages) stored.current = Uint8Array.from(stored.initial);
  }

  /** D_SENSE of the control page: sense data in descriptor format. */
  get descriptorSense(): boolean {
    return this.#bit(ModePage.Control, 0, 2);
  }

  /** SWP of the control page: software write protect. */
  get softwareWriteProtect(): boolean {
    return this.#bit(ModePage.Control, 2, 3);
  }

  /** WCE of the caching page: writes may wait in the cache for a flush. */
  get writeCacheEnabled(): boolean {
    return this.#bit(ModePage.Caching, 0, 2);
  }

  #bit(page: number, byte: number, bit: number): boolean {
    const stored = this.#pages.find((candidate) => candidate.page === page);
    return (((stored?.current[byte] ?? 0) >> bit) & 1) === 1;
  }
}

function stored(page: number, length: number, initial: Bytes, changeable: Bytes = {}): StoredPage {
  const fill = (bytes: Bytes) => {
    const body = new Uint8Array(length);
    for (const [at, value] of Object.entries(bytes)) body[Number(at)] = value;
    return body;
  };
  return { page, initial: fill(initial), changeable: fill(changeable), current: fill(initial) };
}

/** Byte values by their place in the page's body. */
type Bytes = Readonly<Record<number, number>>;

const diskPages = () => [
  // AWRE and ARRE.
  stored(ModePage.ErrorRecovery, 10, { 0: 0xc0 }),
  stored(ModePage.DisconnectReconnect, 14, {}),
  // WCE on, and changeable.
  stored(ModePage.Caching, 18, { 0: 0x04 }, { 0: 0x04 }),
  // GLTSD and unrestricted reordering; D_SENSE and SWP are changeable.
  stored(ModePage.Control, 10, { 0: 0x02, 1: 0x10, 6: 0xff, 7: 0xff }, { 0: 0x04, 2: 0x08 }),
  stored(ModePage.InformationalExceptions, 10, {}),
];

const cdPages = () => [
  stored(ModePage.ErrorRecovery, 10, {}),
  stored(ModePage.Control, 10, { 0: 0x02, 1: 0x10 }, { 0: 0x04 }),
  // Reads CD-ROM discs, a tray that can be locked and ejected.
  stored(ModePage.CdCapabilities, 18, { 0: 0x3f, 2: 0x70, 3: 0x60, 4: 0x29 }),
];
