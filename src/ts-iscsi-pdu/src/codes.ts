import { codeTable, type CodeTable } from "./code-table.ts";

type ValueOf<T> = T[keyof T];

export const TaskAttribute = { Untagged: 0, Simple: 1, Ordered: 2, HeadOfQueue: 3, Aca: 4 } as const;
export type TaskAttribute = ValueOf<typeof TaskAttribute>;
export const taskAttributes: CodeTable = codeTable("RFC 7143 §11.3.1", TaskAttribute, {
  Untagged: "untagged",
  Simple: "simple",
  Ordered: "ordered",
  HeadOfQueue: "head of queue",
  Aca: "ACA",
});

/** Codes of the Response field of a SCSI Response. */
export const ScsiResponseCode = { CompletedAtTarget: 0, TargetFailure: 1 } as const;
export type ScsiResponseCode = ValueOf<typeof ScsiResponseCode>;
export const scsiResponseCodes: CodeTable = codeTable("RFC 7143 §11.4.3", ScsiResponseCode, {
  CompletedAtTarget: "command completed at target",
  TargetFailure: "target failure",
});

/** Functions 9 to 12 need iSCSIProtocolLevel 2 (RFC 7144 §6). */
export const TmfFunction = {
  AbortTask: 1,
  AbortTaskSet: 2,
  ClearAca: 3,
  ClearTaskSet: 4,
  LogicalUnitReset: 5,
  TargetWarmReset: 6,
  TargetColdReset: 7,
  TaskReassign: 8,
  QueryTask: 9,
  QueryTaskSet: 10,
  ItNexusReset: 11,
  QueryAsynchronousEvent: 12,
} as const;
export type TmfFunction = ValueOf<typeof TmfFunction>;
export const tmfFunctions: CodeTable = codeTable("RFC 7143 §11.5.1", TmfFunction, {
  AbortTask: "ABORT TASK",
  AbortTaskSet: "ABORT TASK SET",
  ClearAca: "CLEAR ACA",
  ClearTaskSet: "CLEAR TASK SET",
  LogicalUnitReset: "LOGICAL UNIT RESET",
  TargetWarmReset: "TARGET WARM RESET",
  TargetColdReset: "TARGET COLD RESET",
  TaskReassign: "TASK REASSIGN",
  QueryTask: "QUERY TASK",
  QueryTaskSet: "QUERY TASK SET",
  ItNexusReset: "I_T NEXUS RESET",
  QueryAsynchronousEvent: "QUERY ASYNCHRONOUS EVENT",
});

export const TmfResponseCode = {
  FunctionComplete: 0,
  TaskDoesNotExist: 1,
  LunDoesNotExist: 2,
  TaskStillAllegiant: 3,
  ReassignmentNotSupported: 4,
  FunctionNotSupported: 5,
  AuthorizationFailed: 6,
  /** RFC 7144 §6: the answer "yes" to a query. */
  FunctionSucceeded: 7,
  FunctionRejected: 255,
} as const;
export type TmfResponseCode = ValueOf<typeof TmfResponseCode>;
export const tmfResponses: CodeTable = codeTable("RFC 7143 §11.6.1", TmfResponseCode, {
  FunctionComplete: "function complete",
  TaskDoesNotExist: "task does not exist",
  LunDoesNotExist: "LUN does not exist",
  TaskStillAllegiant: "task still allegiant",
  ReassignmentNotSupported: "task allegiance reassignment not supported",
  FunctionNotSupported: "task management function not supported",
  AuthorizationFailed: "function authorization failed",
  FunctionSucceeded: "function succeeded",
  FunctionRejected: "function rejected",
});

export const AsyncEvent = {
  ScsiEvent: 0,
  RequestLogout: 1,
  DropConnection: 2,
  DropAllConnections: 3,
  RequestNegotiation: 4,
  TasksTerminated: 5,
  VendorSpecific: 255,
} as const;
export type AsyncEvent = ValueOf<typeof AsyncEvent>;
export const asyncEvents: CodeTable = codeTable("RFC 7143 §11.9.1", AsyncEvent, {
  ScsiEvent: "SCSI asynchronous event, reported in the sense data",
  RequestLogout: "target requests logout",
  DropConnection: "target will drop or has dropped the connection",
  DropAllConnections: "target will drop or has dropped all connections of the session",
  RequestNegotiation: "target requests parameter negotiation",
  TasksTerminated: "all active tasks of the logical unit are being terminated",
  VendorSpecific: "vendor-specific iSCSI event",
});

export const LoginStage = { SecurityNegotiation: 0, OperationalNegotiation: 1, FullFeaturePhase: 3 } as const;
export type LoginStage = ValueOf<typeof LoginStage>;
export const loginStages: CodeTable = codeTable("RFC 7143 §11.12.3", LoginStage, {
  SecurityNegotiation: "SecurityNegotiation",
  OperationalNegotiation: "LoginOperationalNegotiation",
  FullFeaturePhase: "FullFeaturePhase",
});

/** Status-Class in the high byte, Status-Detail in the low one. */
export const LoginStatus = {
  Success: 0x0000,
  TargetMovedTemporarily: 0x0101,
  TargetMovedPermanently: 0x0102,
  InitiatorError: 0x0200,
  AuthenticationFailure: 0x0201,
  AuthorizationFailure: 0x0202,
  NotFound: 0x0203,
  TargetRemoved: 0x0204,
  UnsupportedVersion: 0x0205,
  TooManyConnections: 0x0206,
  MissingParameter: 0x0207,
  CannotIncludeInSession: 0x0208,
  SessionTypeNotSupported: 0x0209,
  SessionDoesNotExist: 0x020a,
  InvalidDuringLogin: 0x020b,
  TargetError: 0x0300,
  ServiceUnavailable: 0x0301,
  OutOfResources: 0x0302,
} as const;
export type LoginStatus = ValueOf<typeof LoginStatus>;
export const loginStatuses: CodeTable = codeTable("RFC 7143 §11.13.5", LoginStatus, {
  Success: "success",
  TargetMovedTemporarily: "target moved temporarily",
  TargetMovedPermanently: "target moved permanently",
  InitiatorError: "initiator error",
  AuthenticationFailure: "authentication failure",
  AuthorizationFailure: "authorization failure",
  NotFound: "target not found",
  TargetRemoved: "target removed",
  UnsupportedVersion: "unsupported version",
  TooManyConnections: "too many connections",
  MissingParameter: "missing parameter",
  CannotIncludeInSession: "cannot include the connection in the session",
  SessionTypeNotSupported: "session type not supported",
  SessionDoesNotExist: "session does not exist",
  InvalidDuringLogin: "invalid request during login",
  TargetError: "target error",
  ServiceUnavailable: "service unavailable",
  OutOfResources: "target out of resources",
});

export const LoginStatusClass = { Success: 0, Redirection: 1, InitiatorError: 2, TargetError: 3 } as const;
export type LoginStatusClass = ValueOf<typeof LoginStatusClass>;
export const loginStatusClasses: CodeTable = codeTable("RFC 7143 §11.13.5", LoginStatusClass, {
  Success: "success",
  Redirection: "redirection",
  InitiatorError: "initiator error",
  TargetError: "target error",
});

export const LogoutReason = { CloseSession: 0, CloseConnection: 1, RemoveConnectionForRecovery: 2 } as const;
export type LogoutReason = ValueOf<typeof LogoutReason>;
export const logoutReasons: CodeTable = codeTable("RFC 7143 §11.14.1", LogoutReason, {
  CloseSession: "close the session",
  CloseConnection: "close the connection",
  RemoveConnectionForRecovery: "remove the connection for recovery",
});

export const LogoutResponseCode = {
  ClosedSuccessfully: 0,
  CidNotFound: 1,
  RecoveryNotSupported: 2,
  CleanupFailed: 3,
} as const;
export type LogoutResponseCode = ValueOf<typeof LogoutResponseCode>;
export const logoutResponses: CodeTable = codeTable("RFC 7143 §11.15.1", LogoutResponseCode, {
  ClosedSuccessfully: "connection or session closed successfully",
  CidNotFound: "CID not found",
  RecoveryNotSupported: "connection recovery is not supported",
  CleanupFailed: "cleanup failed",
});

/** Type 0 is a Data SNACK or an R2T SNACK: the task tells which. */
export const SnackType = { DataR2t: 0, Status: 1, DataAck: 2, RData: 3 } as const;
export type SnackType = ValueOf<typeof SnackType>;
export const snackTypes: CodeTable = codeTable("RFC 7143 §11.16.1", SnackType, {
  DataR2t: "Data/R2T SNACK",
  Status: "Status SNACK",
  DataAck: "DataACK",
  RData: "R-Data SNACK",
});

export const RejectReason = {
  DataDigestError: 0x02,
  SnackReject: 0x03,
  ProtocolError: 0x04,
  CommandNotSupported: 0x05,
  ImmediateCommandReject: 0x06,
  TaskInProgress: 0x07,
  InvalidDataAck: 0x08,
  InvalidPduField: 0x09,
  LongOperationReject: 0x0a,
  /** Deprecated by RFC 7143, still sent by older peers. */
  NegotiationReset: 0x0b,
  WaitingForLogout: 0x0c,
} as const;
export type RejectReason = ValueOf<typeof RejectReason>;
export const rejectReasons: CodeTable = codeTable("RFC 7143 §11.17.1", RejectReason, {
  DataDigestError: "data (payload) digest error",
  SnackReject: "SNACK reject",
  ProtocolError: "protocol error",
  CommandNotSupported: "command not supported",
  ImmediateCommandReject: "immediate command reject: too many immediate commands",
  TaskInProgress: "task in progress",
  InvalidDataAck: "invalid data acknowledgement",
  InvalidPduField: "invalid PDU field",
  LongOperationReject: "long operation reject: out of resources for a target transfer tag",
  NegotiationReset: "negotiation reset",
  WaitingForLogout: "waiting for logout",
});
