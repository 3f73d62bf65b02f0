import {
  TmfFunction,
  TmfResponseCode,
  Opcode,
  serialLess,
  tmfFunctions,
  type TmfRequestView,
} from "ts-iscsi-pdu";
import type { LogicalUnit } from "../scsi/logical-unit.ts";
import type { Connection } from "./connection.ts";
import { query } from "./query.ts";
import { reassignment, type Reassignment } from "./reassign.ts";
import type { ScsiTask } from "./scsi-task.ts";
import type { Session } from "./session.ts";

/** Carries out a task management function (RFC 7143, section 11.5) and answers when all its effects have come. */
export async function manageTasks(
  connection: Connection,
  session: Session,
  request: TmfRequestView,
): Promise<void> {
  const { response, task, additionalInformation } = await carryOut(session, request);
  session.report("tmf", {
    session: session.number,
    function: tmfFunctions.text(request.function),
    lun: request.lun,
    response,
  });
  connection.sendStatus({
    opcode: Opcode.TmfResponse,
    itt: request.itt,
    response,
    ...(additionalInformation !== undefined && { additionalInformation }),
  });
  task?.reassign(connection, request.expDataSn);
  if (request.function === TmfFunction.TargetColdReset && response === TmfResponseCode.FunctionComplete)
    for (const other of sessionsOf(session)) other.close("target cold reset");
}

interface Answer extends Reassignment {
  readonly additionalInformation?: number;
}

async function carryOut(session: Session, request: TmfRequestView): Promise<Answer> {
  if (request.function === TmfFunction.TaskReassign) return reassignment(session, request);
  // Functions beyond these need what RFC 7144 adds (section 6.2).
  if (request.function > TmfFunction.TaskReassign && session.params.iSCSIProtocolLevel >= 2)
    return query(session, request);
  return { response: await change(session, request) };
}

async function change(session: Session, request: TmfRequestView): Promise<number> {
  const unit = session.unit(request.lun);
  switch (request.function) {
    case TmfFunction.AbortTask:
      return abortTask(session, request);
    case TmfFunction.TargetWarmReset:
    case TmfFunction.TargetColdReset:
      return resetTarget(session);
    case TmfFunction.AbortTaskSet:
    case TmfFunction.ClearTaskSet:
    case TmfFunction.LogicalUnitReset:
      if (unit === undefined) return TmfResponseCode.LunDoesNotExist;
      return onUnit(session, unit, request);
    default:
      return TmfResponseCode.FunctionNotSupported;
  }
}

async function abortTask(session: Session, request: TmfRequestView): Promise<number> {
  const task = session.tasks.get(request.referencedTaskTag);
  if (task === undefined) {
    // Section 11.6.1: a command that never came is taken as received and aborted, if its CmdSN is in the window.
    if (!session.order.accepts(request.refCmdSn)) return TmfResponseCode.TaskDoesNotExist;
    session.order.skip(request.refCmdSn);
    return TmfResponseCode.FunctionComplete;
  }
  if (task.lun !== request.lun) return TmfResponseCode.TaskDoesNotExist;
  await session.abortTasks((other) => other === task);
  return TmfResponseCode.FunctionComplete;
}

async function onUnit(session: Session, unit: LogicalUnit, request: TmfRequestView): Promise<number> {
  const before = (task: ScsiTask) => request.immediate || serialLess(task.cmdSn, request.cmdSn);
  if (request.function === TmfFunction.AbortTaskSet) {
    await session.abortTasks((task) => task.unit === unit && before(task));
    return TmfResponseCode.FunctionComplete;
  }
  const others = sessionsOf(session);
  await Promise.all(others.map((other) => other.abortTasks((task) => task.unit === unit)));
  if (request.function === TmfFunction.ClearTaskSet)
    unit.attention(0x2f, 0x00, (nexus) => nexus === session.nexus);
  else unit.reset(0x29, 0x03);
  return TmfResponseCode.FunctionComplete;
}

async function resetTarget(session: Session): Promise<number> {
  await Promise.all(sessionsOf(session).map((other) => other.abortTasks(() => true)));
  for (const unit of session.deviceServer.units.values()) unit.reset(0x29, 0x02);
  return TmfResponseCode.FunctionComplete;
}

const sessionsOf = (session: Session): readonly Session[] => [...session.siblings()];
