import {
  isReservationType,
  noReservationKey,
  readRegisterAndMove,
  readReserveOutParameters,
  type ReserveOutParameters,
} from "#scsi";
import {
  insufficientRegistrations,
  invalidField,
  invalidParameter,
  invalidRelease,
  parameterListLengthError,
  reservationConflict,
} from "../check.ts";
import { good, type Outcome, type Plan } from "../plan.ts";
import type { Request } from "../request.ts";
import { maxParameterBytes } from "./limits.ts";

type Out = Request<
  | "proutRegister"
  | "proutReserve"
  | "proutRelease"
  | "proutClear"
  | "proutPreempt"
  | "proutPreemptAndAbort"
  | "proutRegisterAndIgnore"
>;
type Action = (request: Out, parameters: ReserveOutParameters) => Promise<void> | void;

const registrationsPreempted = [0x2a, 0x05] as const;
const reservationsPreempted = [0x2a, 0x03] as const;
const reservationsReleased = [0x2a, 0x04] as const;

const withParameters =
  (action: Action) =>
  (request: Out): Plan => {
    const { parameterListLength } = request.cdb;
    if (parameterListLength < 24 || parameterListLength > maxParameterBytes) throw parameterListLengthError();
    return {
      kind: "gather",
      length: parameterListLength,
      finish: async (data): Promise<Outcome> => {
        const parameters = readReserveOutParameters(data);
        if (parameters === undefined) throw invalidParameter(24);
        // Without SPEC_I_PT the list has exactly 24 bytes (SPC-4, section 6.16.3).
        if (parameters.initiatorPorts === undefined && data.length !== 24) throw parameterListLengthError();
        await action(request, parameters);
        return good;
      },
    };
  };

/** Register, change the key, or, with a service action key of zero, unregister. */
export const register = withParameters((request, parameters) => {
  const { unit, nexus } = request;
  const own = unit.reservations.keyOf(nexus.port);
  if ((own ?? noReservationKey) !== parameters.key) throw reservationConflict();
  if (own === undefined && parameters.serviceKey === noReservationKey) return;
  registerPorts(request, parameters, own === undefined ? (parameters.initiatorPorts ?? []) : []);
});

export const registerAndIgnore = withParameters((request, parameters) => {
  if (parameters.initiatorPorts !== undefined) throw invalidParameter(20);
  const own = request.unit.reservations.keyOf(request.nexus.port);
  if (own === undefined && parameters.serviceKey === noReservationKey) return;
  registerPorts(request, parameters, []);
});

export const reserve = withParameters(({ unit, nexus, cdb }, parameters) => {
  const { reservations } = unit;
  if (!isReservationType(cdb.type)) throw invalidField(2, 3);
  if (cdb.scope !== 0) throw invalidField(2, 7);
  checkKey(unit.reservations.keyOf(nexus.port), parameters);
  const current = reservations.reservation;
  if (current !== undefined) {
    const same = reservations.holds(nexus.port) && current.type === cdb.type && current.scope === cdb.scope;
    if (!same) throw reservationConflict();
    return;
  }
  reservations.reserve(nexus.port, cdb.type, cdb.scope);
  reservations.save();
});

export const release = withParameters(({ unit, nexus, cdb }, parameters) => {
  const { reservations } = unit;
  checkKey(reservations.keyOf(nexus.port), parameters);
  const current = reservations.reservation;
  if (current === undefined || !reservations.holds(nexus.port)) return;
  if (current.type !== cdb.type || current.scope !== cdb.scope) throw invalidRelease();
  reservations.release();
  if (current.type > 3) tellRegistrants(unit, reservationsReleased, [nexus.port]);
  reservations.save();
});

export const clear = withParameters(({ unit, nexus }, parameters) => {
  const { reservations } = unit;
  checkKey(reservations.keyOf(nexus.port), parameters);
  tellRegistrants(unit, reservationsPreempted, [nexus.port]);
  reservations.clear();
  reservations.generation += 1;
  reservations.save();
});

export const preempt = withParameters((request, parameters) => {
  takeOver(request, parameters);
});

export const preemptAndAbort = withParameters(async (request, parameters) => {
  const ports = takeOver(request, parameters);
  await request.server.abortTasks(request.unit, ports);
});

/** REGISTER AND MOVE: registers another port and hands the reservation over to it (SPC-4, section 5.12.8). */
export function registerAndMove({ unit, nexus, cdb }: Request<"proutRegisterAndMove">): Plan {
  if (cdb.parameterListLength < 24 || cdb.parameterListLength > maxParameterBytes)
    throw parameterListLengthError();
  return {
    kind: "gather",
    length: cdb.parameterListLength,
    finish: async (data) => {
      const { reservations } = unit;
      const parameters = readRegisterAndMove(data);
      if (parameters === undefined) throw invalidParameter(20);
      checkKey(reservations.keyOf(nexus.port), parameters);
      const current = reservations.reservation;
      if (current === undefined || current.port !== nexus.port) throw reservationConflict();
      if (parameters.serviceKey === noReservationKey) throw invalidParameter(8);
      if (parameters.initiatorPort === nexus.port) throw invalidParameter(24);
      reservations.register(parameters.initiatorPort, parameters.serviceKey);
      reservations.reserve(parameters.initiatorPort, current.type, current.scope);
      if (parameters.unregister) reservations.unregister(nexus.port);
      reservations.generation += 1;
      reservations.save(parameters.persist);
      return good;
    },
  };
}

function registerPorts(
  { unit, nexus }: Out,
  parameters: ReserveOutParameters,
  others: readonly string[],
): void {
  const { reservations } = unit;
  if (parameters.persist === true && !reservations.canPersist) throw invalidParameter(20);
  if (parameters.serviceKey === noReservationKey) {
    const ended = reservations.unregister(nexus.port);
    if (ended !== undefined && ended > 3) tellRegistrants(unit, reservationsReleased, [nexus.port]);
  } else {
    if (reservations.full && reservations.keyOf(nexus.port) === undefined) throw insufficientRegistrations();
    for (const port of [nexus.port, ...others]) reservations.register(port, parameters.serviceKey);
  }
  reservations.generation += 1;
  reservations.save(parameters.persist);
}

/** Removes the registrations with the service action key and takes the reservation where it goes with them. */
function takeOver({ unit, nexus, cdb }: Out, { key, serviceKey }: ReserveOutParameters): readonly string[] {
  const { reservations } = unit;
  checkKey(reservations.keyOf(nexus.port), { key });
  const current = reservations.reservation;
  const allHold = current !== undefined && current.port === undefined;
  const others = reservations.ports.filter((port) => port !== nexus.port);
  const holderKey = current?.port === undefined ? undefined : reservations.keyOf(current.port);
  if (serviceKey === noReservationKey && !allHold) throw invalidParameter(8);
  const takesReservation =
    current !== undefined && (allHold ? serviceKey === noReservationKey : serviceKey === holderKey);
  const gone =
    allHold && serviceKey === noReservationKey
      ? others
      : others.filter((port) => reservations.keyOf(port) === serviceKey);
  if (!takesReservation && gone.length === 0 && reservations.keyOf(nexus.port) !== serviceKey)
    throw reservationConflict();
  if (takesReservation) {
    if (!isReservationType(cdb.type)) throw invalidField(2, 3);
    if (cdb.scope !== 0) throw invalidField(2, 7);
  }
  unit.attention(...registrationsPreempted, (other) => !gone.includes(other.port));
  for (const port of gone) reservations.unregister(port);
  if (takesReservation) {
    reservations.reserve(nexus.port, cdb.type, cdb.scope);
    if (current.type !== cdb.type && cdb.type > 3) tellRegistrants(unit, reservationsReleased, [nexus.port]);
  } else if (reservations.keyOf(nexus.port) === serviceKey) {
    reservations.unregister(nexus.port);
  }
  reservations.generation += 1;
  reservations.save();
  return gone;
}

function checkKey(own: string | undefined, { key }: { readonly key: string }): void {
  if (own === undefined || own !== key) throw reservationConflict();
}

function tellRegistrants(
  unit: Out["unit"],
  [asc, ascq]: readonly [number, number],
  except: readonly string[],
): void {
  const ports = new Set(unit.reservations.ports);
  unit.attention(asc, ascq, (other) => except.includes(other.port) || !ports.has(other.port));
}
