import { readFileSync } from "node:fs";
import path from "node:path";
import { KdDecoder } from "#kd";
import { TextCleaner } from "#harness/qemu-launcher";
import { KdObserver, readEmsLine, type Observation } from "#harness/observe";
import { Boot } from "./boot.ts";

const data = path.join(import.meta.dirname, "../../kd/data");

export interface Ports {
  readonly serials?: readonly string[];
  readonly login?: {
    readonly signals?: readonly (readonly string[])[];
    readonly processes?: readonly string[];
    readonly modules?: readonly string[];
  };
}

/** A boot whose guest has a debugger or an emergency console, on the timeline as the observers of a run write them. */
export class DebuggedBoot extends Boot {
  constructor({ serials = ["kd"], login = {} }: Ports = {}) {
    super();
    const plan = this.observations[0] as { data: Record<string, unknown> };
    const { signals = [["modules"]], processes = ["winlogon\\.exe"], modules = ["win32k\\.sys"] } = login;
    plan.data = { ...plan.data, markers: {}, serials, login: { signals, processes, modules } };
  }

  kd(kind: string, facts: Observation["data"] = {}): this {
    return this.see("kd", kind, facts);
  }

  /** A recorded line, one event a second, as a debugger that answers would have told it. */
  recorded(file: string): this {
    const observer = new KdObserver(
      (kind, facts) => void this.kd(kind, facts),
      () => {},
    );
    const decoder = new KdDecoder((event) => observer.see(event));
    decoder.push(readFileSync(path.join(data, file)));
    decoder.end();
    observer.end();
    return this;
  }

  /** The lines of a transcript, as prints. */
  printed(file: string): this {
    return this.prints(readFileSync(path.join(data, file), "utf8"));
  }

  prints(text: string): this {
    const observer = new KdObserver(
      (kind, facts) => void this.kd(kind, facts),
      () => {},
    );
    observer.see({ kind: "session", number: 1 });
    observer.see({ kind: "print", text });
    observer.end();
    return this;
  }

  /** A recorded emergency console. */
  console(file: string): this {
    for (const line of new TextCleaner().push(readFileSync(path.join(data, file))).split("\n"))
      this.ems(line);
    return this;
  }

  ems(line: string): this {
    this.see("serial", "line", { port: "ems", line });
    const event = readEmsLine(line);
    return event === undefined ? this : this.see("ems", event.kind, event.data);
  }

  /** iPXE has booted the guest from its disk. */
  firmware(): this {
    return this.lease().login(1, "ipxe").read(1, 0).read(1, 2048);
  }

  module(name: string): this {
    return this.kd("module", {
      path: `\\SystemRoot\\System32\\${name}`,
      base: "0xffffffff80400000",
      size: 4096,
      unload: false,
    });
  }
}
