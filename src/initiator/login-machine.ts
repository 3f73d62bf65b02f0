import {
  KeyNegotiation,
  LoginStage,
  operationalKeys,
  type OperationalKey,
  type OperationalValues,
  type TextKey,
} from "ts-iscsi-pdu";
import { ChapExchange, type ChapAlgorithm, type ChapOptions } from "./chap.ts";
import { LoginError, violation } from "./errors.ts";

type Stage = typeof LoginStage.SecurityNegotiation | typeof LoginStage.OperationalNegotiation;
type NextStage = typeof LoginStage.OperationalNegotiation | typeof LoginStage.FullFeaturePhase;

/** What to send: one Login Request, or several where the text is too long for one. */
export interface LoginStep {
  readonly csg: Stage;
  /** Where to go from there; undefined while this side is not ready to go on. */
  readonly nsg: NextStage | undefined;
  readonly keys: readonly TextKey[];
}

/** What came back: one Login Response with status 0, its text complete. */
export interface LoginAnswer {
  readonly csg: number;
  readonly nsg: number;
  readonly transit: boolean;
  readonly keys: readonly TextKey[];
}

export interface LoginMachineOptions {
  readonly where: string;
  readonly initiator: string;
  readonly initiatorAlias?: string | undefined;
  /** Absent in a discovery session. */
  readonly target?: string | undefined;
  readonly wishes: Partial<OperationalValues>;
  /** A connection that joins an existing session negotiates only what belongs to connections. */
  readonly leading: boolean;
  readonly chap?: ChapOptions | undefined;
  /** The CHAP algorithms to offer this time. */
  readonly algorithms?: readonly ChapAlgorithm[];
}

/** A target that keeps saying "not yet" without saying anything else. */
const maxRounds = 20;

/**
 * The initiator's side of the login phase (RFC 7143 §6.3) without any I/O: give it each answer, send what it returns,
 * until it returns undefined and the connection is in full feature phase.
 */
export class LoginMachine implements Disposable {
  readonly #options: LoginMachineOptions;
  readonly #negotiation: KeyNegotiation;
  readonly #chap: ChapExchange | undefined;
  readonly #offers: readonly OperationalKey[];
  #stage: Stage = LoginStage.SecurityNegotiation;
  #chapStep: "method" | "algorithm" | "response" | "done" = "method";
  #requested: NextStage | undefined;
  #rounds = 0;
  #targetAlias: string | undefined;
  #portalGroup: number | undefined;

  constructor(options: LoginMachineOptions) {
    this.#options = options;
    const { target, wishes, chap, where, algorithms = [] } = options;
    this.#negotiation = new KeyNegotiation({
      wishes,
      sessionType: target === undefined ? "Discovery" : "Normal",
    });
    this.#chap = chap && new ChapExchange(where, chap, algorithms);
    this.#offers = keysToOffer(options);
  }

  /** What both sides agreed on; final once `next` has returned undefined. */
  get results(): OperationalValues {
    return this.#negotiation.results;
  }

  get ownMaxRecvDataSegmentLength(): number {
    return this.#negotiation.ownMaxRecvDataSegmentLength;
  }

  get targetAlias(): string | undefined {
    return this.#targetAlias;
  }

  get portalGroup(): number | undefined {
    return this.#portalGroup;
  }

  /** The CHAP algorithm that the target chose, if it came so far. */
  get chapAlgorithm(): ChapAlgorithm | undefined {
    return this.#chap?.algorithm;
  }

  start(): LoginStep {
    const { initiator, initiatorAlias, target, leading } = this.#options;
    const keys: TextKey[] = [["InitiatorName", initiator]];
    if (initiatorAlias !== undefined && leading) keys.push(["InitiatorAlias", initiatorAlias]);
    if (target !== undefined) keys.push(["TargetName", target]);
    // Its use is leading only (RFC 7143 §13.21).
    if (leading) keys.push(["SessionType", target === undefined ? "Discovery" : "Normal"]);
    keys.push(["AuthMethod", this.#chap === undefined ? "None" : "CHAP"]);
    return this.#step(this.#chap === undefined ? LoginStage.OperationalNegotiation : undefined, keys);
  }

  /**
   * Takes the target's answer.
   * @returns what to send next; undefined when the connection is in full feature phase.
   * @throws LoginError or ProtocolError when the login cannot go on.
   */
  next(answer: LoginAnswer): LoginStep | undefined {
    this.#check(answer);
    const keys = this.#declarations(answer.keys);
    const replies =
      this.#stage === LoginStage.SecurityNegotiation ? this.#security(keys) : this.#negotiate(keys);
    if (!answer.transit) return this.#again(replies);
    this.#checkAuthenticated();
    if (replies.length > 0) {
      throw violation("6.3", "T", 1, "the target ends the stage while it still owes or expects keys");
    }
    if (answer.nsg === LoginStage.OperationalNegotiation) {
      this.#stage = LoginStage.OperationalNegotiation;
      return this.#step(LoginStage.FullFeaturePhase, this.#negotiation.offer(this.#offers));
    }
    this.#negotiation.finish();
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#chap?.[Symbol.dispose]();
  }

  /** RFC 7143 §11.12.3 and §11.13.6: the target follows, it never leads. */
  #check({ csg, nsg, transit }: LoginAnswer): void {
    if (csg !== this.#stage)
      throw violation("11.12.3", "CSG", csg, `the answer is for another stage than ${this.#stage}`);
    if (!transit) return;
    if (this.#requested === undefined)
      throw violation("11.13.6", "T", 1, "the target goes on before the initiator is ready");
    if (nsg !== this.#requested) throw violation("11.12.3", "NSG", nsg, `${this.#requested} was asked for`);
  }

  /** RFC 7143 §9.2: what was demanded is never done without. */
  #checkAuthenticated(): void {
    if (this.#chap === undefined || this.#chap.passed) return;
    throw new LoginError(
      "NOT_AUTHENTICATED",
      `${this.#options.where}: the target skips the authentication that was demanded; is CHAP set up there?`,
    );
  }

  /** Keeps the keys that a target may declare at any time, gives back the rest. */
  #declarations(keys: readonly TextKey[]): readonly TextKey[] {
    return keys.filter(([name, value]) => {
      if (name === "TargetAlias") this.#targetAlias = value;
      else if (name === "TargetPortalGroupTag") this.#portalGroup = Number(value);
      else return name !== "TargetAddress";
      return false;
    });
  }

  #security(keys: readonly TextKey[]): readonly TextKey[] {
    const values = new Map(keys);
    const method = values.get("AuthMethod");
    if (method !== undefined) this.#checkMethod(method);
    if (this.#chap === undefined) return this.#negotiate(keys);
    if (this.#chapStep === "method") {
      if (method === undefined) return [];
      this.#chapStep = "algorithm";
      return this.#chap.offer();
    }
    if (this.#chapStep === "algorithm") {
      if (!values.has("CHAP_A")) return [];
      this.#chapStep = "response";
      return this.#chap.respond(values);
    }
    if (this.#chapStep === "response") {
      this.#chap.verify(values);
      this.#chapStep = "done";
    }
    return [];
  }

  #checkMethod(method: string): void {
    if (method === (this.#chap === undefined ? "None" : "CHAP")) return;
    const { where } = this.#options;
    if (this.#chap === undefined) {
      throw new LoginError(
        "AUTHENTICATION_REQUIRED",
        `${where}: the target wants ${JSON.stringify(method)}; give a CHAP user and secret`,
      );
    }
    throw new LoginError(
      "NOT_AUTHENTICATED",
      `${where}: the target answers ${JSON.stringify(method)} to the demand for CHAP; set up CHAP there, or log in without`,
    );
  }

  /** Answers what the target offers; takes its answers. */
  #negotiate(keys: readonly TextKey[]): readonly TextKey[] {
    const replies: TextKey[] = [];
    for (const [name, value] of keys) {
      if (name === "AuthMethod") continue;
      const reply = this.#negotiation.receive(name, value);
      if (reply !== undefined) replies.push([name, reply]);
    }
    return replies;
  }

  /** The target is not ready for the next stage: answer it, or ask again with nothing to say. */
  #again(replies: readonly TextKey[]): LoginStep {
    if (++this.#rounds > maxRounds) {
      throw new LoginError(
        "LOGIN_STUCK",
        `${this.#options.where}: the target does not finish the login after ${maxRounds} rounds`,
      );
    }
    return this.#step(this.#goal(), replies);
  }

  #goal(): NextStage | undefined {
    if (this.#stage === LoginStage.OperationalNegotiation) return LoginStage.FullFeaturePhase;
    if (this.#chap === undefined) return LoginStage.OperationalNegotiation;
    return this.#chapStep === "response" || this.#chapStep === "done"
      ? LoginStage.OperationalNegotiation
      : undefined;
  }

  #step(nsg: NextStage | undefined, keys: readonly TextKey[]): LoginStep {
    this.#requested = nsg;
    return { csg: this.#stage, nsg, keys };
  }
}

/** All keys that may be used now, but the youngest only when something else than their default is wanted. */
function keysToOffer({ leading, wishes }: LoginMachineOptions): readonly OperationalKey[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.keys forgets the names
  const names = Object.keys(operationalKeys) as OperationalKey[];
  return names.filter((name) => {
    if (!leading && operationalKeys[name].use === "leading-login") return false;
    if (name !== "TaskReporting" && name !== "iSCSIProtocolLevel") return true;
    return (wishes[name] ?? operationalKeys[name].default) !== operationalKeys[name].default;
  });
}
