import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./tgtd.ts";

export const istgtTarget = "iqn.2001-04.com.example:istgt";

export interface IstgtOptions {
  readonly chap?: {
    readonly user: string;
    readonly secret: string;
    /** What istgt proves itself by, where it has to. */
    readonly mutual?: { readonly user: string; readonly secret: string };
  };
  /** "Auto", "Header" and the like, as istgt's UseDigest has it. */
  readonly digest?: string;
  readonly mebibytes?: number;
  /** Serves this file instead of one of its own. */
  readonly image?: string;
}

/** Debian's istgt on a port of its own; gone when disposed. */
export class Istgt implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #process: ChildProcess;

  private constructor(port: number, folder: string, process: ChildProcess) {
    this.port = port;
    this.#folder = folder;
    this.#process = process;
  }

  static async start(options: IstgtOptions = {}): Promise<Istgt> {
    const folder = await mkdtemp(path.join(tmpdir(), "sanlab-istgt-"));
    const port = await freePort();
    const mebibytes = options.mebibytes ?? 16;
    const file = (name: string) => path.join(folder, name);
    if (options.image === undefined) {
      await writeFile(file("disk.img"), "");
      await truncate(file("disk.img"), mebibytes * 1024 * 1024);
    }
    await writeFile(file("auth.conf"), authentication(options), { mode: 0o600 });
    await writeFile(file("istgt.conf"), configuration(file, port, mebibytes, options));
    const process = spawn("istgt", ["-D", "-c", file("istgt.conf")], { stdio: "ignore" });
    const peer = new Istgt(port, folder, process);
    for (;;) {
      if (process.exitCode !== null) {
        await peer[Symbol.asyncDispose]();
        throw new Error(`istgt ended with status ${process.exitCode}`);
      }
      if (await accepts(port)) return peer;
      await sleep(20);
    }
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const gone = new Promise((resolve) => this.#process.once("exit", resolve));
      this.#process.kill("SIGKILL");
      await gone;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const answer = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  });
  socket.destroy();
  return answer;
}

const authentication = ({ chap }: IstgtOptions) =>
  chap === undefined
    ? ""
    : `[AuthGroup1]\n  Auth "${chap.user}" "${chap.secret}"${chap.mutual ? ` "${chap.mutual.user}" "${chap.mutual.secret}"` : ""}\n`;

const configuration = (
  file: (name: string) => string,
  port: number,
  mebibytes: number,
  { chap, digest = "Auto", image = file("disk.img") }: IstgtOptions,
) => `
[Global]
  NodeBase "iqn.2001-04.com.example"
  PidFile ${file("istgt.pid")}
  AuthFile ${file("auth.conf")}
  MediaDirectory ${file("")}
  LogFacility "local7"
  Timeout 30
  NopInInterval 20
  DiscoveryAuthMethod None
  MaxSessions 16
  MaxConnections 4
  MaxR2T 32
  MaxOutstandingR2T 16
  DefaultTime2Wait 2
  DefaultTime2Retain 60
  FirstBurstLength 262144
  MaxBurstLength 1048576
  MaxRecvDataSegmentLength 262144
  InitialR2T Yes
  ImmediateData Yes
  DataPDUInOrder Yes
  DataSequenceInOrder Yes
  ErrorRecoveryLevel 0
[UnitControl]
  Portal UC1 127.0.0.1:0
[PortalGroup1]
  Portal DA1 127.0.0.1:${port}
[InitiatorGroup1]
  InitiatorName "ALL"
  Netmask 127.0.0.1
[LogicalUnit1]
  TargetName istgt
  Mapping PortalGroup1 InitiatorGroup1
  AuthMethod ${chap === undefined ? "None" : chap.mutual === undefined ? "CHAP" : "CHAP Mutual"}
  ${chap === undefined ? "" : "AuthGroup AuthGroup1"}
  UseDigest ${digest}
  UnitType Disk
  QueueDepth 64
  LUN0 Storage ${image} ${mebibytes}MB
`;
