import type { Observation } from "#harness/observe";

/** What the wire told of one login and what came of it. All times are of the timeline. */
export interface SessionFacts {
  readonly connection: string;
  readonly isid: string;
  /** Who opens sessions with such an ISID: "iPXE", "open-iscsi", "Microsoft" … */
  readonly software: string | null;
  readonly openedAt: number;
  initiator: string | null;
  target: string | null;
  operationalAt?: number;
  fullFeatureAt?: number;
  refused?: {
    readonly t: number;
    readonly class: number;
    readonly detail: number;
    readonly targetAddress: string | null;
  };
  /** When the first command other than INQUIRY and REPORT LUNS went out. */
  readyAt?: number;
  bootSectorAt?: number;
  /** First read of anything but the boot sector. */
  pastBootSectorAt?: number;
  reads: number;
  writes: number;
  lastIoAt?: number;
  capacityAt?: number;
  trouble?: { readonly t: number; readonly text: string; readonly asc: number | null };
  closedAt?: number;
}

/** SCSI operation codes that every client sends before it uses a disk (SPC-4). */
const preliminaries = new Set([0x12, 0xa0]);
const capacityCommands = new Set([0x25, 0x9e]);

/** Sorts the wire's iSCSI observations into sessions, in the order in which they were opened. */
export class SessionFold {
  readonly sessions: SessionFacts[] = [];

  see({ t, kind, data }: Observation): void {
    const connection = connectionOf(data);
    if (kind === "iscsi-login-request") this.#loginRequest(t, connection, data);
    const session = this.sessions.findLast((one) => one.connection === connection);
    if (session === undefined) return;
    if (kind === "iscsi-login-response") loginResponse(session, t, data);
    else if (kind === "iscsi-full-feature") session.fullFeatureAt ??= t;
    else if (kind === "iscsi-command") command(session, t, data);
    else if (kind === "iscsi-io") sum(session, t, data);
    else if (kind === "iscsi-check-condition" || kind === "iscsi-status") trouble(session, t, data);
    else if (kind === "iscsi-logout" || kind === "tcp-fin" || kind === "tcp-rst") session.closedAt ??= t;
  }

  #loginRequest(t: number, connection: string, data: Observation["data"]): void {
    const isid = String(data["isid"]);
    let session = this.sessions.findLast((one) => one.connection === connection && one.isid === isid);
    if (session === undefined) {
      session = {
        connection,
        isid,
        software: text(data["software"]),
        openedAt: t,
        initiator: null,
        target: null,
        reads: 0,
        writes: 0,
      };
      this.sessions.push(session);
    }
    session.initiator = text(data["initiator"]);
    session.target = text(data["target"]);
    if (data["stage"] === "operational") session.operationalAt ??= t;
  }
}

function loginResponse(session: SessionFacts, t: number, data: Observation["data"]): void {
  const statusClass = Number(data["class"]);
  if (statusClass !== 0) {
    session.refused = {
      t,
      class: statusClass,
      detail: Number(data["detail"]),
      targetAddress: text(data["targetAddress"]),
    };
  } else if (data["next"] === "operational") session.operationalAt ??= t;
}

function command(session: SessionFacts, t: number, data: Observation["data"]): void {
  const operation = Number(data["operation"]);
  if (capacityCommands.has(operation)) session.capacityAt ??= t;
  if (!preliminaries.has(operation)) session.readyAt ??= t;
  if (data["access"] === "read") read(session, t, Number(data["lba"]));
}

function sum(session: SessionFacts, t: number, data: Observation["data"]): void {
  session.reads += Number(data["reads"]);
  session.writes += Number(data["writes"]);
  session.lastIoAt = t;
  if (data["last"] === "read") read(session, t, Number(data["lba"]));
}

/** Before it hooks a disk, iPXE looks for an ISO 9660 volume there, whose descriptors begin at 32 KiB. */
const isoDescriptors = new Set([16, 64]);

function read(session: SessionFacts, t: number, lba: number): void {
  if (lba === 0) session.bootSectorAt ??= t;
  else if (!isoDescriptors.has(lba)) session.pastBootSectorAt ??= t;
}

function trouble(session: SessionFacts, t: number, data: Observation["data"]): void {
  // A unit attention is how every session on a disk begins.
  if (data["key"] === 6) return;
  const sense =
    data["key"] === undefined ? "" : `, sense ${hex(data["key"])}/${hex(data["asc"])}/${hex(data["ascq"])}`;
  session.trouble = {
    t,
    text: `${text(data["name"]) ?? "a command"} ended with status ${hex(data["status"])}${sense}`,
    asc: data["asc"] === undefined ? null : Number(data["asc"]),
  };
}

/** Flows are numbered anew on each wire. */
export function connectionOf(data: Observation["data"]): string {
  return data["flow"] === undefined ? "" : `${Number(data["nic"] ?? 0)}#${Number(data["flow"])}`;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function hex(value: unknown): string {
  return Number(value).toString(16).padStart(2, "0");
}
