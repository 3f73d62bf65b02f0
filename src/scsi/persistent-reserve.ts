import { concat, readFlag, readUint, writeFlag, writeUint } from "./bytes.ts";

/** TYPE of a persistent reservation (SPC-4, section 6.15.3.4). */
export const ReservationType = {
  WriteExclusive: 1,
  ExclusiveAccess: 3,
  WriteExclusiveRegistrantsOnly: 5,
  ExclusiveAccessRegistrantsOnly: 6,
  WriteExclusiveAllRegistrants: 7,
  ExclusiveAccessAllRegistrants: 8,
} as const;
export type ReservationType = (typeof ReservationType)[keyof typeof ReservationType];

const types: ReadonlySet<number> = new Set(Object.values(ReservationType));
export const isReservationType = (value: number): value is ReservationType => types.has(value);

/** An eight-byte reservation key as 16 hexadecimal digits; "0000000000000000" is none. */
export type ReservationKey = string;
export const noReservationKey: ReservationKey = "0".repeat(16);

/** READ KEYS: the generation and all keys. */
export function writeReservationKeys(generation: number, keys: readonly ReservationKey[]): Uint8Array {
  const out = new Uint8Array(8 + 8 * keys.length);
  writeUint(out, 0, 4, generation);
  writeUint(out, 4, 4, 8 * keys.length);
  for (const [index, key] of keys.entries()) out.set(keyBytes(key), 8 + 8 * index);
  return out;
}

export function readReservationKeys(bytes: Uint8Array): {
  readonly generation: number;
  readonly keys: readonly ReservationKey[];
} {
  const end = Math.min(bytes.length, 8 + readUint(bytes, 4, 4));
  const keys: ReservationKey[] = [];
  for (let at = 8; at + 8 <= end; at += 8) keys.push(readKey(bytes, at));
  return { generation: readUint(bytes, 0, 4), keys };
}

/** The reservation in force; `key` is zero for the types that all registrants hold. */
export interface Reservation {
  readonly key: ReservationKey;
  readonly type: number;
  readonly scope: number;
}

/** READ RESERVATION. */
export function writeReservation(generation: number, reservation: Reservation | undefined): Uint8Array {
  const out = new Uint8Array(reservation === undefined ? 8 : 24);
  writeUint(out, 0, 4, generation);
  if (reservation === undefined) return out;
  writeUint(out, 4, 4, 16);
  out.set(keyBytes(reservation.key), 8);
  out[21] = (reservation.scope << 4) | reservation.type;
  return out;
}

export function readReservation(bytes: Uint8Array): {
  readonly generation: number;
  readonly reservation?: Reservation;
} {
  const generation = readUint(bytes, 0, 4);
  if (readUint(bytes, 4, 4) < 16 || bytes.length < 24) return { generation };
  const last = bytes[21] ?? 0;
  return { generation, reservation: { key: readKey(bytes, 8), type: last & 0xf, scope: last >> 4 } };
}

/** REPORT CAPABILITIES (SPC-4, section 6.15.4). */
export interface ReservationCapabilities {
  readonly specifyInitiatorPorts: boolean;
  readonly allTargetPorts: boolean;
  /** Persist through power loss: can, and does. */
  readonly persistCapable: boolean;
  readonly persistActive: boolean;
  readonly types: readonly number[];
}

export function writeReservationCapabilities(capabilities: ReservationCapabilities): Uint8Array {
  const out = new Uint8Array(8);
  writeUint(out, 0, 2, 8);
  // COMPATIBLE RESERVATION HANDLING: RELEASE(6) of a registrant is accepted and does nothing.
  writeFlag(out, 2, 4, true);
  writeFlag(out, 2, 3, capabilities.specifyInitiatorPorts);
  writeFlag(out, 2, 2, capabilities.allTargetPorts);
  writeFlag(out, 2, 0, capabilities.persistCapable);
  writeFlag(out, 3, 7, true);
  writeFlag(out, 3, 0, capabilities.persistActive);
  for (const type of capabilities.types) writeFlag(out, type === 8 ? 5 : 4, type === 8 ? 0 : type, true);
  return out;
}

export function readReservationCapabilities(bytes: Uint8Array): ReservationCapabilities {
  return {
    specifyInitiatorPorts: readFlag(bytes, 2, 3),
    allTargetPorts: readFlag(bytes, 2, 2),
    persistCapable: readFlag(bytes, 2, 0),
    persistActive: readFlag(bytes, 3, 0),
    types: Object.values(ReservationType).filter((type) =>
      readFlag(bytes, type === 8 ? 5 : 4, type === 8 ? 0 : type),
    ),
  };
}

/** One registration of READ FULL STATUS. */
export interface RegistrationStatus {
  readonly key: ReservationKey;
  readonly holder: boolean;
  readonly type: number;
  readonly scope: number;
  readonly relativePort: number;
  /** "iqn.…,i,0x…": the initiator port's iSCSI name. */
  readonly initiatorPort: string;
}

export function writeFullStatus(generation: number, list: readonly RegistrationStatus[]): Uint8Array {
  const parts = list.map((entry) => {
    const id = writeTransportId(entry.initiatorPort);
    const out = new Uint8Array(24 + id.length);
    out.set(keyBytes(entry.key));
    out[12] = entry.holder ? 1 : 0;
    if (entry.holder) out[13] = (entry.scope << 4) | entry.type;
    writeUint(out, 18, 2, entry.relativePort);
    writeUint(out, 20, 4, id.length);
    out.set(id, 24);
    return out;
  });
  const header = new Uint8Array(8);
  writeUint(header, 0, 4, generation);
  writeUint(
    header,
    4,
    4,
    parts.reduce((sum, part) => sum + part.length, 0),
  );
  return concat([header, ...parts]);
}

export function readFullStatus(bytes: Uint8Array): {
  readonly generation: number;
  readonly registrations: readonly RegistrationStatus[];
} {
  const end = Math.min(bytes.length, 8 + readUint(bytes, 4, 4));
  const registrations: RegistrationStatus[] = [];
  for (let at = 8; at + 24 <= end;) {
    const length = readUint(bytes, at + 20, 4);
    if (at + 24 + length > end) break;
    const last = bytes[at + 13] ?? 0;
    registrations.push({
      key: readKey(bytes, at),
      holder: readFlag(bytes, at + 12, 0),
      type: last & 0xf,
      scope: last >> 4,
      relativePort: readUint(bytes, at + 18, 2),
      initiatorPort: readTransportId(bytes.subarray(at + 24, at + 24 + length)) ?? "",
    });
    at += 24 + length;
  }
  return { generation: readUint(bytes, 0, 4), registrations };
}

/** The parameter list of PERSISTENT RESERVE OUT but for REGISTER AND MOVE (SPC-4, section 6.16.3). */
export interface ReserveOutParameters {
  readonly key: ReservationKey;
  readonly serviceKey: ReservationKey;
  readonly allTargetPorts?: boolean;
  /** Activate persist through power loss. */
  readonly persist?: boolean;
  /** Set where SPEC_I_PT is: the initiator ports to register too. */
  readonly initiatorPorts?: readonly string[];
}

export function writeReserveOutParameters(parameters: ReserveOutParameters): Uint8Array {
  const ids = parameters.initiatorPorts?.map(writeTransportId);
  const out = new Uint8Array(24);
  out.set(keyBytes(parameters.key), 0);
  out.set(keyBytes(parameters.serviceKey), 8);
  writeFlag(out, 20, 3, ids !== undefined);
  writeFlag(out, 20, 2, parameters.allTargetPorts === true);
  writeFlag(out, 20, 0, parameters.persist === true);
  if (ids === undefined) return out;
  const list = concat(ids);
  const length = new Uint8Array(4);
  writeUint(length, 0, 4, list.length);
  return concat([out, length, list]);
}

/** Undefined where the list is too short or a transport identifier in it cannot be read. */
export function readReserveOutParameters(bytes: Uint8Array): ReserveOutParameters | undefined {
  if (bytes.length < 24) return undefined;
  const base = {
    key: readKey(bytes, 0),
    serviceKey: readKey(bytes, 8),
    allTargetPorts: readFlag(bytes, 20, 2),
    persist: readFlag(bytes, 20, 0),
  };
  if (!readFlag(bytes, 20, 3)) return base;
  const end = 28 + readUint(bytes, 24, 4);
  if (end > bytes.length) return undefined;
  const initiatorPorts: string[] = [];
  for (let at = 28; at < end;) {
    const length = 4 + readUint(bytes, at + 2, 2);
    const name = at + length > end ? undefined : readTransportId(bytes.subarray(at, at + length));
    if (name === undefined) return undefined;
    initiatorPorts.push(name);
    at += length;
  }
  return { ...base, initiatorPorts };
}

/** The parameter list of REGISTER AND MOVE (SPC-4, section 6.16.4). */
export interface RegisterAndMoveParameters {
  readonly key: ReservationKey;
  readonly serviceKey: ReservationKey;
  readonly unregister: boolean;
  readonly persist: boolean;
  readonly relativePort: number;
  readonly initiatorPort: string;
}

export function writeRegisterAndMove(parameters: RegisterAndMoveParameters): Uint8Array {
  const id = writeTransportId(parameters.initiatorPort);
  const out = new Uint8Array(24 + id.length);
  out.set(keyBytes(parameters.key), 0);
  out.set(keyBytes(parameters.serviceKey), 8);
  writeFlag(out, 17, 1, parameters.unregister);
  writeFlag(out, 17, 0, parameters.persist);
  writeUint(out, 18, 2, parameters.relativePort);
  writeUint(out, 20, 4, id.length);
  out.set(id, 24);
  return out;
}

export function readRegisterAndMove(bytes: Uint8Array): RegisterAndMoveParameters | undefined {
  const initiatorPort =
    bytes.length < 28 || 24 + readUint(bytes, 20, 4) > bytes.length
      ? undefined
      : readTransportId(bytes.subarray(24, 24 + readUint(bytes, 20, 4)));
  if (initiatorPort === undefined) return undefined;
  return {
    key: readKey(bytes, 0),
    serviceKey: readKey(bytes, 8),
    unregister: readFlag(bytes, 17, 1),
    persist: readFlag(bytes, 17, 0),
    relativePort: readUint(bytes, 18, 2),
    initiatorPort,
  };
}

/** iSCSI TransportID (SPC-4, section 7.6.4.7): format 01b with ",i,0x" and the ISID, 00b without. */
function writeTransportId(name: string): Uint8Array {
  const text = Buffer.from(`${name}\0`);
  const length = Math.max(20, (text.length + 3) & ~3);
  const out = new Uint8Array(4 + length);
  out[0] = (name.includes(",i,0x") ? 0x40 : 0x00) | 0x05;
  writeUint(out, 2, 2, length);
  out.set(text, 4);
  return out;
}

function readTransportId(bytes: Uint8Array): string | undefined {
  if (((bytes[0] ?? 0) & 0x0f) !== 0x05) return undefined;
  const text = Buffer.from(bytes.subarray(4, 4 + readUint(bytes, 2, 2)));
  const end = text.indexOf(0);
  return end < 1 ? undefined : text.toString("utf8", 0, end);
}

const keyBytes = (key: ReservationKey) => Buffer.from(key.padStart(16, "0").slice(-16), "hex");
const readKey = (bytes: Uint8Array, at: number): ReservationKey =>
  Buffer.from(bytes.subarray(at, at + 8))
    .toString("hex")
    .padEnd(16, "0");
