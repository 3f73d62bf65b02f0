/** An I_T nexus: one session, as the logical units know it (SAM-5, section 4.7; RFC 7143, section 3.4.2). */
export interface Nexus {
  /** The initiator port's SCSI name, "iqn.…,i,0x" and the ISID, and the target portal group. */
  readonly port: string;
  readonly initiatorName: string;
}
