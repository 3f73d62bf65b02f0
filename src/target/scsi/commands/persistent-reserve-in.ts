import {
  ReservationType,
  writeFullStatus,
  writeReservation,
  writeReservationCapabilities,
  writeReservationKeys,
} from "#scsi";
import { answer, type Plan } from "../plan.ts";
import type { Request } from "../request.ts";

export function readKeys({ unit, cdb }: Request<"prinReadKeys">): Plan {
  const { generation, keys } = unit.reservations;
  return answer(writeReservationKeys(generation, keys), cdb.allocationLength);
}

export function readReservation({ unit, cdb }: Request<"prinReadReservation">): Plan {
  const { generation, reservation } = unit.reservations;
  return answer(writeReservation(generation, reservation), cdb.allocationLength);
}

export function reportCapabilities({ unit, cdb }: Request<"prinReportCapabilities">): Plan {
  const data = writeReservationCapabilities({
    specifyInitiatorPorts: true,
    allTargetPorts: true,
    persistCapable: unit.reservations.canPersist,
    persistActive: unit.reservations.persists,
    types: Object.values(ReservationType),
  });
  return answer(data, cdb.allocationLength);
}

export function readFullStatus({ unit, server, cdb }: Request<"prinReadFullStatus">): Plan {
  const { reservations } = unit;
  const data = writeFullStatus(reservations.generation, reservations.fullStatus(server.portalGroup));
  return answer(data, cdb.allocationLength);
}
