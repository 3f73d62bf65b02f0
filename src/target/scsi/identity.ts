import { createHash } from "node:crypto";
import { DesignatorType, type Designator } from "#scsi";

/** How a logical unit introduces itself. */
export interface DiskIdentity {
  /** At most 8 characters. */
  readonly vendor: string;
  /** At most 16 characters. */
  readonly product: string;
  /** At most 4 characters. */
  readonly revision: string;
  readonly serial: string;
  /** A NAA identifier of 8 or 16 bytes as hexadecimal digits. */
  readonly naa: string;
}

/** The same target name and LUN give the same serial number and identifier in every run, as clients remember them. */
export function makeIdentity(iqn: string, lun: number, given: Partial<DiskIdentity> = {}): DiskIdentity {
  const hash = createHash("sha256").update(`${iqn}\0${lun}`).digest("hex");
  return {
    vendor: "SANLAB",
    product: "VIRTUAL-DISK",
    revision: "0001",
    serial: hash.slice(0, 16),
    // NAA 3: locally assigned (SPC-4, section 7.8.6.6.4).
    naa: `3${hash.slice(16, 31)}`,
    ...given,
  };
}

/** The designators of VPD page 83: the unit by NAA and T10 vendor, the port by number and name. */
export function designators(identity: DiskIdentity, iqn: string, portalGroup: number): readonly Designator[] {
  const vendor = `${identity.vendor.padEnd(8)}${identity.serial}`;
  return [
    { type: DesignatorType.Naa, codeSet: 1, association: 0, value: Buffer.from(identity.naa, "hex") },
    { type: DesignatorType.T10Vendor, codeSet: 2, association: 0, value: Buffer.from(vendor) },
    { type: DesignatorType.RelativePort, codeSet: 1, association: 1, protocol: 5, value: u16(portalGroup) },
    { type: DesignatorType.PortGroup, codeSet: 1, association: 1, protocol: 5, value: u16(portalGroup) },
    scsiName(`${iqn},t,0x${portalGroup.toString(16).padStart(4, "0")}`, 1),
    scsiName(iqn, 2),
  ];
}

const u16 = (value: number) => Uint8Array.of(0, 0, value >> 8, value & 0xff);

/** A SCSI name string ends with a zero and is padded to a multiple of four bytes (SPC-4, section 7.8.6.11). */
function scsiName(name: string, association: number): Designator {
  const length = Buffer.byteLength(name) + 1;
  const value = Buffer.alloc((length + 3) & ~3);
  value.write(name);
  return { type: DesignatorType.ScsiName, codeSet: 3, association, protocol: 5, value };
}
