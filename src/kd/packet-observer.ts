import { BugcheckWatch } from "./bugcheck.ts";
import { readDebugIo } from "./debug-io.ts";
import { hex, type KdEvent, type KdSummary, type StopEvent } from "./events.ts";
import { readFileIo } from "./file-io.ts";
import type { LinkCounts } from "./link.ts";
import { apiName, isRequest, readManipulate } from "./manipulate.ts";
import { PacketType, type DataPacket } from "./packet.ts";
import { readStateChange, type ExceptionChange, type ModuleChange } from "./state-change.ts";
import { statusName } from "./status-names.ts";

/** Turns what was received into events, and counts it. Live lines and recorded ones are told in the same way. */
export class PacketObserver {
  readonly #tell: (event: KdEvent) => void;
  readonly #bugchecks = new BugcheckWatch();
  #prints = 0;
  #modules = 0;
  #stops = 0;
  #sessions = 0;

  constructor(tell: (event: KdEvent) => void) {
    this.#tell = tell;
  }

  session(): void {
    this.#sessions++;
    this.#tell({ kind: "session", number: this.#sessions });
  }

  /** A packet without its meaning being known is told as `unknown`. */
  packet(packet: DataPacket): void {
    if (!this.#known(packet)) this.#tell({ kind: "unknown", type: packet.type, length: packet.body.length });
  }

  module(change: ModuleChange): void {
    this.#modules++;
    this.#tell({
      kind: "module",
      path: change.path,
      base: hex(change.base, 16),
      size: change.size,
      unload: change.unload,
    });
    if (isShutdown(change)) this.#tell({ kind: "shutdown" });
  }

  /** `reason` is known only after the registers were read. */
  stop(change: ExceptionChange, reason?: StopEvent["reason"]): void {
    this.#stops++;
    this.#tell(describeStop(change, reason));
  }

  summary({ packets, repeats, damaged }: Readonly<LinkCounts>): KdSummary {
    return {
      packets,
      prints: this.#prints,
      modules: this.#modules,
      stops: this.#stops,
      repeats,
      damaged,
    };
  }

  #known({ type, body }: DataPacket): boolean {
    if (type === PacketType.DebugIo) return this.#debugIo(body);
    if (type === PacketType.StateChange64) return this.#stateChange(body);
    if (type === PacketType.StateManipulate) return this.#manipulate(body);
    if (type === PacketType.FileIo) return this.#fileIo(body);
    return false;
  }

  #debugIo(body: Buffer): boolean {
    const message = readDebugIo(body);
    if (message === undefined) return false;
    if (message.kind === "print") this.#prints++;
    this.#tell({ kind: message.kind, text: message.text });
    const bugcheck = message.kind === "print" ? this.#bugchecks.see(message.text) : undefined;
    if (bugcheck !== undefined) this.#tell(bugcheck);
    return true;
  }

  #stateChange(body: Buffer): boolean {
    const change = readStateChange(body);
    if (change === undefined) return false;
    if (change.kind === "module") this.module(change);
    else if (change.kind === "exception") this.stop(change);
    else this.#tell({ kind: "command", name: change.name, command: change.command });
    return true;
  }

  #manipulate(body: Buffer): boolean {
    const message = readManipulate(body);
    if (message === undefined) return false;
    this.#tell({
      kind: "manipulate",
      name: apiName(message.api),
      request: isRequest(message),
      status: hex(message.status),
    });
    return true;
  }

  #fileIo(body: Buffer): boolean {
    const file = readFileIo(body);
    if (file !== undefined) this.#tell({ kind: "file", ...file });
    return file !== undefined;
  }
}

/** An unload of everything at address -1 without a path announces the end of the session. */
function isShutdown(change: ModuleChange): boolean {
  return change.unload && change.path === "" && BigInt.asIntN(32, change.base) === -1n;
}

function describeStop(change: ExceptionChange, reason: StopEvent["reason"]): StopEvent {
  const name = statusName(change.code);
  return {
    kind: "stop",
    code: hex(change.code),
    ...(name === undefined ? {} : { name }),
    address: hex(change.programCounter, 16),
    firstChance: change.firstChance,
    processor: change.processor,
    parameters: change.parameters.map((parameter) => hex(parameter)),
    ...(reason === undefined ? {} : { reason }),
  };
}
