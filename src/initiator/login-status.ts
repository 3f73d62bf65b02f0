import { LoginError } from "./errors.ts";

interface Meaning {
  readonly code: string;
  readonly words: string;
  /** The target may accept the same login later (RFC 7143 §11.13.5). */
  readonly retry?: boolean;
}

/** Status classes 2 and 3 of the Login Response (RFC 7143 §11.13.5), with what to do about each. */
const meanings: Readonly<Record<number, Meaning>> = {
  0x0200: {
    code: "LOGIN_REFUSED",
    words: "the target found the login wrong in some way; see the target's log",
  },
  0x0201: { code: "AUTHENTICATION_FAILED", words: "authentication failed; check the CHAP user and secret" },
  0x0202: {
    code: "NOT_AUTHORIZED",
    words: "this initiator is not allowed to use the target; add its name to the target's access list",
  },
  0x0203: {
    code: "TARGET_NOT_FOUND",
    words: "there is no such target at this portal; check its name by discovery",
  },
  0x0204: { code: "TARGET_REMOVED", words: "the target was removed and no new address is given" },
  0x0205: { code: "VERSION_UNSUPPORTED", words: "the target speaks no version of iSCSI that is known here" },
  0x0206: { code: "TOO_MANY_CONNECTIONS", words: "the session has as many connections as the target allows" },
  0x0207: { code: "MISSING_PARAMETER", words: "the target misses a parameter, such as a name" },
  0x0208: { code: "CANNOT_ADD_CONNECTION", words: "the target cannot add a connection to this session" },
  0x0209: { code: "SESSION_TYPE_UNSUPPORTED", words: "the target does not offer this type of session" },
  0x020a: { code: "SESSION_NOT_FOUND", words: "the target does not know the session to continue" },
  0x020b: { code: "INVALID_LOGIN_REQUEST", words: "the target takes a request for invalid during login" },
  0x0300: { code: "TARGET_ERROR", words: "the target failed; see its log", retry: true },
  0x0301: {
    code: "SERVICE_UNAVAILABLE",
    words: "the target is out of service for now; try again later",
    retry: true,
  },
  0x0302: {
    code: "OUT_OF_RESOURCES",
    words: "the target has no room for a session; close others",
    retry: true,
  },
};

/** The error for a Login Response with a status of class 2 or 3, or of a class nobody knows. */
export function loginRefusal(where: string, status: number): LoginError {
  const meaning = meanings[status] ?? meanings[status & 0xff00];
  const code = meaning?.code ?? "LOGIN_REFUSED";
  const words = meaning?.words ?? "the target gives a reason that RFC 7143 does not know";
  return new LoginError(code, `${where}: ${words} (login status 0x${status.toString(16).padStart(4, "0")})`, {
    status,
  });
}

/** Whether the target may accept the same login a little later. */
export function isWorthRetrying(status: number): boolean {
  return (meanings[status] ?? meanings[status & 0xff00])?.retry === true;
}
