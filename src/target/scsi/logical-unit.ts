import type { BlockDevice } from "#block";
import { DeviceType, SenseKey, type Sense } from "#scsi";
import { makeIdentity, type DiskIdentity } from "./identity.ts";
import { ModePages } from "./mode-pages.ts";
import type { Nexus } from "./nexus.ts";
import { Reservations } from "./reservations.ts";
import { TaskSet } from "./task-set.ts";
import { WriteLock } from "./write-lock.ts";

export interface LogicalUnitOptions {
  readonly lun: number;
  /** What it stores its blocks on. The target does not close it. */
  readonly device: BlockDevice;
  /** "cdrom" for an ISO image: read-only, 2048-byte blocks. */
  readonly type?: "disk" | "cdrom";
  readonly identity?: Partial<DiskIdentity>;
  /** UNMAP and WRITE SAME let go of space; on unless told. */
  readonly thin?: boolean;
  readonly readOnly?: boolean;
  /** Bytes of a physical block, as READ CAPACITY(16) tells; that of a logical block unless told. */
  readonly physicalBlockSize?: number;
  /** A medium that START STOP UNIT can eject; always so for a CD-ROM. */
  readonly removable?: boolean;
  /** Where persistent reservations with APTPL are kept over a restart. */
  readonly reservationFile?: string;
}

/** Progress of a SANITIZE that runs in the background. */
export interface SanitizeState {
  readonly state: "running" | "failed";
  /** 0 to 65535. */
  progress: number;
  readonly unrestrictedExit: boolean;
}

/** One logical unit: its device, its modes, and what it remembers of each I_T nexus. */
export class LogicalUnit {
  readonly lun: number;
  readonly device: BlockDevice;
  readonly type: "disk" | "cdrom";
  readonly deviceType: number;
  readonly identity: DiskIdentity;
  readonly targetName: string;
  readonly thin: boolean;
  readonly removable: boolean;
  readonly blockSize: number;
  readonly physicalBlockSize: number;
  readonly blocks: number;
  readonly modes: ModePages;
  readonly reservations: Reservations;
  readonly tasks = new TaskSet();
  readonly writeLock = new WriteLock();
  readonly #readOnly: boolean;
  readonly #attentions = new Map<Nexus, Sense[]>();
  readonly #removalPreventers = new Set<Nexus>();
  /** The nexus that RESERVE(6) or (10) was granted to. */
  reservedBy: Nexus | undefined;
  started = true;
  ejected = false;
  /** A fault has taken the unit away: it answers as a LUN that does not exist. */
  absent = false;
  sanitize: SanitizeState | undefined;

  constructor(targetName: string, options: LogicalUnitOptions) {
    this.lun = options.lun;
    this.device = options.device;
    this.type = options.type ?? "disk";
    this.deviceType = this.type === "disk" ? DeviceType.Disk : DeviceType.CdRom;
    this.targetName = targetName;
    this.identity = makeIdentity(targetName, options.lun, {
      ...(this.type === "cdrom" && { product: "VIRTUAL-CDROM" }),
      ...options.identity,
    });
    this.#readOnly = this.type === "cdrom" || (options.readOnly ?? false) || options.device.readOnly;
    this.thin = !this.#readOnly && (options.thin ?? true);
    this.removable = this.type === "cdrom" || (options.removable ?? false);
    this.blockSize = this.type === "cdrom" ? 2048 : options.device.blockSize;
    this.physicalBlockSize = options.physicalBlockSize ?? this.blockSize;
    this.blocks = Math.floor(options.device.size / this.blockSize);
    this.modes = new ModePages(this.type);
    this.reservations = new Reservations(options.reservationFile);
  }

  get writeProtected(): boolean {
    return this.#readOnly || this.modes.softwareWriteProtect;
  }

  /** No reservation, nothing to be told, ready: reads and writes need no further look. */
  isPlain(nexus: Nexus): boolean {
    return (
      this.reservedBy === undefined &&
      this.reservations.reservation === undefined &&
      this.sanitize === undefined &&
      !this.ejected &&
      this.started &&
      (this.#attentions.get(nexus)?.length ?? 0) === 0
    );
  }

  /** A session has begun. */
  attach(nexus: Nexus): void {
    this.#attentions.set(nexus, []);
  }

  /** A session is gone: what held only as long as the nexus ends (SAM-5, section 6.3.4). */
  detach(nexus: Nexus): void {
    this.#attentions.delete(nexus);
    this.#removalPreventers.delete(nexus);
    if (this.reservedBy === nexus) this.reservedBy = undefined;
  }

  /** Establishes a unit attention condition for every nexus but those that `except` picks. */
  attention(asc: number, ascq: number, except: (nexus: Nexus) => boolean = () => false): void {
    for (const [nexus, pending] of this.#attentions) {
      if (except(nexus) || pending.some((sense) => sense.asc === asc && sense.ascq === ascq)) continue;
      pending.push({ key: SenseKey.UnitAttention, asc, ascq });
    }
  }

  /** Takes the oldest unit attention that a nexus has not been told. */
  takeAttention(nexus: Nexus): Sense | undefined {
    return this.#attentions.get(nexus)?.shift();
  }

  /** Unit attentions that a nexus has not been told, oldest first. */
  attentionsOf(nexus: Nexus): readonly Sense[] {
    return this.#attentions.get(nexus) ?? [];
  }

  /** The nexus is lost and goes on at once: I_T NEXUS LOSS OCCURRED (SAM-5, section 6.3.4). */
  loseNexus(nexus: Nexus): void {
    this.detach(nexus);
    this.attach(nexus);
    this.attention(0x29, 0x07, (other) => other !== nexus);
  }

  get removalPrevented(): boolean {
    return this.#removalPreventers.size > 0;
  }

  preventRemoval(nexus: Nexus, prevent: boolean): void {
    if (prevent) this.#removalPreventers.add(nexus);
    else this.#removalPreventers.delete(nexus);
  }

  /** A reset of the logical unit: modes, RESERVE(6) and locks go, persistent reservations stay (SAM-5, section 6.3.3). */
  reset(asc = 0x29, ascq = 0x00, except?: (nexus: Nexus) => boolean): void {
    this.reservedBy = undefined;
    this.#removalPreventers.clear();
    this.modes.reset();
    this.started = true;
    this.attention(asc, ascq, except);
  }
}
