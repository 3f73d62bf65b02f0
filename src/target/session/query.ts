import { TmfFunction, TmfResponseCode, type TmfRequestView } from "ts-iscsi-pdu";
import type { Session } from "./session.ts";

/** An answer to a query, and what QUERY ASYNCHRONOUS EVENT adds to it. */
export interface QueryAnswer {
  readonly response: number;
  readonly additionalInformation?: number;
}

const no: QueryAnswer = { response: TmfResponseCode.FunctionComplete };
const yes: QueryAnswer = { response: TmfResponseCode.FunctionSucceeded };

/** The task management functions of RFC 7144, section 6: "function succeeded" is a yes, "function complete" a no. */
export async function query(session: Session, request: TmfRequestView): Promise<QueryAnswer> {
  if (request.function === TmfFunction.ItNexusReset) return resetNexus(session);
  const unit = session.unit(request.lun);
  if (unit === undefined) return { response: TmfResponseCode.LunDoesNotExist };
  switch (request.function) {
    case TmfFunction.QueryTask:
      return session.tasks.get(request.referencedTaskTag)?.unit === unit ? yes : no;
    case TmfFunction.QueryTaskSet:
      return [...session.tasks.values()].some((task) => task.unit === unit) ? yes : no;
    case TmfFunction.QueryAsynchronousEvent: {
      const pending = unit.attentionsOf(session.nexus);
      const [first] = pending;
      if (first === undefined) return no;
      // SAM-5, section 7.9: how many there are (1, or 2 for more), the sense key, and the additional sense.
      const depth = pending.length === 1 ? 1 : 2;
      const additionalInformation = (((depth << 4) | first.key) << 16) | (first.asc << 8) | first.ascq;
      return { ...yes, additionalInformation };
    }
    default:
      return { response: TmfResponseCode.FunctionNotSupported };
  }
}

/** The nexus loses its tasks and what it holds, and goes on (SAM-5, section 7.7). */
async function resetNexus(session: Session): Promise<QueryAnswer> {
  await session.abortTasks(() => true);
  for (const unit of session.deviceServer.units.values()) unit.loseNexus(session.nexus);
  return no;
}
