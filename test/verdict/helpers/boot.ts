import type { Observation, Source } from "#harness/observe";

const mac = "52:54:00:5a:4e:01";
const isids = { ipxe: "40002723aaaa", linux: "00023d000000", stranger: "4000ffff0001" } as const;
const software = { ipxe: "iPXE", linux: "open-iscsi", stranger: null } as const;

/** Builds timelines step by step, one step a second, as the observers of a boot write them. */
export class Boot {
  readonly observations: Observation[] = [];
  #t = 0;

  constructor(reach = "P17") {
    this.see("run", "plan", {
      reach,
      macs: [mac],
      portal: { host: "10.77.0.1", port: 3260 },
      target: "iqn.2026-11.lab.sanlab:disk",
      markers: {
        bootLoader: "boot loader started",
        kernelStarted: "Linux version",
        ibftFound: "iBFT found at",
        ibftMissing: "No iBFT detected",
        nicMissing: "network interface missing",
        rootMounted: "root mounted",
        login: "login:",
        stopped: "stopped:",
        panic: "Kernel panic",
      },
    });
    this.see("machine", "qemu-start", {});
  }

  see(source: Source, kind: string, data: Observation["data"] = {}): this {
    this.observations.push({ t: this.#t++, source, kind, data });
    return this;
  }

  wire(kind: string, data: Observation["data"] = {}): this {
    return this.see("wire", kind, { nic: 0, ...data });
  }

  line(line: string): this {
    return this.see("serial", "line", { port: "console", line });
  }

  screen(...lines: readonly string[]): this {
    return this.see("screen", "text", { lines });
  }

  end(reason: string, data: Observation["data"] = {}): Observation[] {
    return this.see("run", "end", { reason, ...data }).observations;
  }

  discover(): this {
    return this.wire("frame-first", { mac, protocol: "udp:67" }).wire("dhcp", {
      message: "discover",
      mac,
      from: mac,
    });
  }

  lease(): this {
    return this.discover().wire("dhcp", {
      message: "ack",
      mac,
      from: "02:00:00:00:00:01",
      ip: "10.77.0.100",
    });
  }

  syn(flow: number): this {
    return this.wire("tcp-syn", {
      flow,
      mac,
      from: "10.77.0.100",
      to: "10.77.0.1",
      toPort: 3260,
      attempt: 1,
    });
  }

  connect(flow: number): this {
    return this.syn(flow).wire("tcp-synack", {
      flow,
      mac: "02:00:00:00:00:01",
      from: "10.77.0.1",
      fromPort: 3260,
    });
  }

  login(
    flow: number,
    who: keyof typeof isids,
    answer: { class?: number; detail?: number; targetAddress?: string } = {},
  ): this {
    const session = {
      flow,
      isid: isids[who],
      software: software[who],
      initiator: "iqn.2026-11.lab.sanlab:guest",
      target: "iqn.2026-11.lab.sanlab:disk",
    };
    this.connect(flow)
      .wire("iscsi-login-request", { ...session, stage: "security" })
      .wire("iscsi-login-response", { ...session, class: 0, detail: 0, next: "operational", ...answer });
    if ((answer.class ?? 0) !== 0) return this;
    return this.wire("iscsi-full-feature", session);
  }

  read(flow: number, lba: number): this {
    return this.wire("iscsi-command", {
      flow,
      operation: 0x28,
      name: "READ(10)",
      access: "read",
      lba,
      blocks: 1,
    });
  }

  /** iPXE's way up to the boot sector. */
  hook(): this {
    return this.lease()
      .login(1, "ipxe")
      .wire("iscsi-command", { flow: 1, operation: 0x25, name: "READ CAPACITY(10)" })
      .read(1, 64)
      .read(1, 0);
  }

  ibft(): this {
    return this.see("memory", "ibft", {
      address: 0x9e620,
      by: "bios",
      valid: true,
      table: { oemId: "FENSYS" },
      findings: [],
    });
  }

  /** Up to the kernel's first line. */
  kernel(): this {
    return this.hook()
      .ibft()
      .read(1, 2048)
      .line("boot loader started")
      .line("[    0.000000] Linux version 6.1.0");
  }

  frame(kind: string, data: Observation["data"] = {}): this {
    return this.wire(kind, { mac, ...data });
  }

  /** What a card sent in a second, by protocol and connection. */
  activity(by: Readonly<Record<string, number>>, seconds = 0.5): this {
    return this.wire("mac-activity", { mac, frames: 1, bytes: 60, seconds, by });
  }
}
