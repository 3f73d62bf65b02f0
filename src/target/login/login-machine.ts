import {
  KeyNegotiation,
  LoginStage,
  LoginStatus,
  ProtocolError,
  TextReassembler,
  isOperationalKey,
  type LoginRequestView,
  type OperationalValues,
  type TextKey,
} from "ts-iscsi-pdu";
import { ChapVerifier, type ChapUsers } from "./chap.ts";

/** Who is logging in, as known from the first request. */
export interface LoginIdentity {
  readonly initiatorName: string;
  readonly sessionType: "Normal" | "Discovery";
  /** Empty in a discovery session. */
  readonly targetName: string;
}

/** What the target says to a login before keys are negotiated. */
export interface LoginPolicy {
  /** Undefined admits; otherwise the status of the refusal, and for redirection the new address. */
  admit(identity: LoginIdentity, request: LoginRequestView): Refusal | undefined;
  /** Whom to authenticate; undefined for nobody. */
  auth(identity: LoginIdentity): ChapUsers | undefined;
  readonly keys: Partial<OperationalValues>;
  readonly portalGroup: number;
  /** The leading connection negotiates the session's keys; a further one only its own. */
  readonly leading: boolean;
}

export interface Refusal {
  /** Status class and detail as one number. */
  readonly status: number;
  readonly why: string;
  readonly targetAddress?: string;
}

/** The answer to one Login Request. */
export type LoginAnswer =
  | { readonly kind: "refuse"; readonly refusal: Refusal }
  /** The text goes on: an empty response. */
  | { readonly kind: "more" }
  | {
      readonly kind: "respond";
      readonly keys: readonly TextKey[];
      readonly transit: boolean;
      readonly nsg: number;
      /** Set with the transition to the full feature phase. */
      readonly done?: { readonly results: OperationalValues; readonly user?: string };
    };

/** Requests that one login may take; an endless negotiation is refused. */
const maxRounds = 32;
const maxLoginText = 32_768;
const identityKeys = new Set(["InitiatorName", "InitiatorAlias", "SessionType", "TargetName"]);

/** The target's half of a login (RFC 7143, section 6.3): one answer to each request, no I/O. */
export class LoginMachine {
  readonly #policy: LoginPolicy;
  readonly #text = new TextReassembler({ maxLength: maxLoginText });
  #identity: LoginIdentity | undefined;
  #negotiation: KeyNegotiation | undefined;
  #chap: ChapVerifier | undefined;
  #user: string | undefined;
  #authenticated = false;
  #methodChosen = false;
  #stage = -1;
  #rounds = 0;
  #declared = false;
  #groupTold = false;

  constructor(policy: LoginPolicy) {
    this.#policy = policy;
  }

  get identity(): LoginIdentity | undefined {
    return this.#identity;
  }

  receive(request: LoginRequestView, data: Uint8Array): LoginAnswer {
    try {
      return this.#receive(request, data);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return refuse(LoginStatus.InitiatorError, error.message);
    }
  }

  #receive(request: LoginRequestView, data: Uint8Array): LoginAnswer {
    this.#rounds += 1;
    if (this.#rounds > maxRounds)
      return refuse(LoginStatus.InitiatorError, `no end after ${maxRounds} requests`);
    if (request.versionMin > 0)
      return refuse(
        LoginStatus.UnsupportedVersion,
        `version ${request.versionMin} at least; this is version 0`,
      );
    const wrong = this.#checkStage(request);
    if (wrong !== undefined) return wrong;
    const pairs = this.#text.add(data, request.continues);
    if (pairs === undefined) return { kind: "more" };
    const keys = new Map(pairs);
    if (keys.size !== pairs.length)
      return refuse(LoginStatus.InitiatorError, "a key appears twice in one request");
    const early = this.#identity === undefined ? this.#identify(keys, request) : undefined;
    return early ?? this.#answer(keys, request);
  }

  /** Stages go forward only, and the transition asked for must exist (RFC 7143, section 11.12.3). */
  #checkStage({ csg, nsg, transit, continues }: LoginRequestView): LoginAnswer | undefined {
    if (csg === 2 || csg === LoginStage.FullFeaturePhase || (transit && (nsg === 2 || nsg <= csg)))
      return refuse(LoginStatus.InvalidDuringLogin, `no way from stage ${csg} to ${nsg}`);
    if (transit && continues) return refuse(LoginStatus.InitiatorError, "T and C are both set");
    if (csg < this.#stage)
      return refuse(LoginStatus.InvalidDuringLogin, `back from stage ${this.#stage} to ${csg}`);
    this.#stage = csg;
    return undefined;
  }

  #identify(keys: ReadonlyMap<string, string>, request: LoginRequestView): LoginAnswer | undefined {
    const initiatorName = keys.get("InitiatorName");
    const sessionType = keys.get("SessionType") ?? "Normal";
    const targetName = keys.get("TargetName") ?? "";
    if (initiatorName === undefined || initiatorName === "" || Buffer.byteLength(initiatorName) > 223)
      return refuse(LoginStatus.MissingParameter, "InitiatorName is missing");
    if (sessionType !== "Normal" && sessionType !== "Discovery")
      return refuse(
        LoginStatus.SessionTypeNotSupported,
        `SessionType ${JSON.stringify(sessionType.slice(0, 32))}`,
      );
    if (sessionType === "Normal" && targetName === "")
      return refuse(LoginStatus.MissingParameter, "TargetName is missing");
    const identity: LoginIdentity = { initiatorName, sessionType, targetName };
    this.#identity = identity;
    const refusal = this.#policy.admit(identity, request);
    if (refusal !== undefined) return { kind: "refuse", refusal };
    this.#negotiation = new KeyNegotiation({ wishes: this.#policy.keys, sessionType });
    this.#authenticated = this.#policy.auth(identity) === undefined;
    return undefined;
  }

  #answer(keys: ReadonlyMap<string, string>, request: LoginRequestView): LoginAnswer {
    const answers: TextKey[] = [];
    const refused = this.#authenticate(keys, request, answers);
    if (refused !== undefined) return refused;
    this.#negotiate(keys, request, answers);
    const ready = this.#authenticated || request.csg !== LoginStage.SecurityNegotiation;
    const transit = request.transit && ready;
    if (!transit) return { kind: "respond", keys: answers, transit: false, nsg: 0 };
    if (request.nsg !== LoginStage.FullFeaturePhase)
      return { kind: "respond", keys: answers, transit, nsg: request.nsg };
    const results = this.#negotiation?.finish();
    if (results === undefined) return refuse(LoginStatus.TargetError, "no negotiation");
    const user = this.#user;
    return {
      kind: "respond",
      keys: answers,
      transit,
      nsg: request.nsg,
      done: { results, ...(user !== undefined && { user }) },
    };
  }

  #authenticate(
    keys: ReadonlyMap<string, string>,
    request: LoginRequestView,
    answers: TextKey[],
  ): LoginAnswer | undefined {
    const users = this.#identity === undefined ? undefined : this.#policy.auth(this.#identity);
    const offered = keys.get("AuthMethod");
    if (request.csg !== LoginStage.SecurityNegotiation) {
      if (this.#authenticated) return undefined;
      return refuse(
        LoginStatus.AuthenticationFailure,
        "the initiator skips authentication, which is demanded",
      );
    }
    if (offered !== undefined && !this.#methodChosen) {
      const methods = offered.split(",");
      const chosen = users === undefined ? "None" : "CHAP";
      if (!methods.includes(chosen))
        return refuse(
          LoginStatus.AuthenticationFailure,
          `AuthMethod ${offered.slice(0, 64)}, but ${chosen} is demanded`,
        );
      this.#methodChosen = true;
      answers.push(["AuthMethod", chosen]);
      if (users === undefined) return undefined;
      this.#chap = new ChapVerifier(users);
    }
    if (this.#authenticated) return undefined;
    if (this.#chap === undefined) {
      if (!request.transit) return undefined;
      return refuse(
        LoginStatus.AuthenticationFailure,
        "the initiator offers no authentication, which is demanded",
      );
    }
    const step = this.#chap.step(keys);
    if (step.kind === "failed") return refuse(LoginStatus.AuthenticationFailure, step.why);
    answers.push(...step.keys);
    if (step.kind === "passed") {
      this.#authenticated = true;
      this.#user = step.user;
    }
    return undefined;
  }

  #negotiate(keys: ReadonlyMap<string, string>, request: LoginRequestView, answers: TextKey[]): void {
    const negotiation = this.#negotiation;
    if (negotiation === undefined) return;
    for (const [key, value] of keys) {
      if (identityKeys.has(key) || key === "AuthMethod" || key.startsWith("CHAP_")) continue;
      const answer = negotiation.receive(key, value);
      if (answer !== undefined) answers.push([key, answer]);
    }
    if (!this.#groupTold && this.#identity?.sessionType === "Normal" && this.#policy.leading) {
      // Section 13.9: in the first response of the leading connection.
      answers.push(["TargetPortalGroupTag", String(this.#policy.portalGroup)]);
      this.#groupTold = true;
    }
    const operational = request.csg === LoginStage.OperationalNegotiation;
    if (!this.#declared && (operational || [...keys.keys()].some(isOperationalKey))) {
      answers.push(...negotiation.offer(["MaxRecvDataSegmentLength"]));
      this.#declared = true;
    }
  }
}

const refuse = (status: number, why: string): LoginAnswer => ({ kind: "refuse", refusal: { status, why } });
