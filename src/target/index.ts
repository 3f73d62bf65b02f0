/**
 * The iSCSI target: portals, logins, sessions and SCSI disks over block devices. It is what every boot runs on unless
 * told otherwise, and, with faults, what breaks it on purpose.
 *
 * Used by the scenario runner, by `sanlab target serve` and by tests. What it sees is told through `report`:
 * connection, login-request, login-done, login-refused, session-open, session-closed, connection-closed, command, io,
 * nop, tmf, snack, faults, fault, protocol-error, device-error. It never opens or closes a block device, and prints nothing.
 */
export { Target } from "./target.ts";
export type { TargetSessionInfo } from "./sessions.ts";
export type { PortalAddress } from "./portal.ts";
export type { PortalOptions, Redirect, TargetLimits, TargetNodeOptions, TargetOptions } from "./options.ts";
export type { ChapUsers } from "./login/chap.ts";
export type { LogicalUnitOptions } from "./scsi/logical-unit.ts";
export type { DiskIdentity } from "./scsi/identity.ts";
