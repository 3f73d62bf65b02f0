import { spawn } from "node:child_process";

/** What a client is to do, and how long. */
export interface Load {
  readonly pattern: "read" | "write" | "randread";
  /** Bytes of one command. */
  readonly size: number;
  readonly depth: number;
}

/** What it did. */
export interface Run {
  readonly commands: number;
  /** Commands a second. */
  readonly rate: number;
  /** Processor time of the client, user and system, in seconds. */
  readonly cpu: number;
}

export interface Client {
  readonly name: string;
  /** Whether it knows how to do this. */
  can(load: Load): boolean;
  run(url: string, load: Load, seconds: number): Promise<Run>;
}

export const describeLoad = ({ pattern, size, depth }: Load): string =>
  `${pattern} ${size % 1048576 === 0 ? `${size / 1048576}M` : `${size / 1024}K`} @${depth}`;

/** Of libiscsi; it only reads. */
export const iscsiPerf: Client = {
  name: "iscsi-perf",
  can: ({ pattern }) => pattern !== "write",
  async run(url, { pattern, size, depth }, seconds) {
    const random = pattern === "randread" ? "-r" : "";
    const { output, cpu } = await timed(
      `iscsi-perf -m ${depth} -b ${size / 512} -t ${seconds} ${random} ${url}`,
    );
    const rate = Number([...output.matchAll(/iops average (\d+)/g)].at(-1)?.[1]);
    if (!(rate > 0)) throw new Error(`iscsi-perf gave no figure: ${output}`);
    return { commands: rate * seconds, rate, cpu };
  },
};

/** QEMU's block layer over libiscsi; it only goes forward. */
export const qemuBench: Client = {
  name: "qemu-img",
  can: ({ pattern }) => pattern !== "randread",
  async run(url, { pattern, size, depth }, seconds) {
    // It takes a number of commands, not a time: enough for about so long at a usual speed.
    const commands = Math.ceil((seconds * 2 ** 30) / Math.max(size, 32_768));
    const [, portal = "", target = "", lun = ""] = /^iscsi:\/\/([^/]+)\/([^/]+)\/(\d+)$/.exec(url) ?? [];
    const image = `driver=raw,file.driver=iscsi,file.transport=tcp,file.portal=${portal},file.target=${target},file.lun=${lun}`;
    const direction = pattern === "write" ? "-w" : "";
    const { output, cpu } = await timed(
      `qemu-img bench -t none -c ${commands} -s ${size} -d ${depth} ${direction} --image-opts ${image}`,
    );
    const took = Number(/in ([\d.]+) seconds/.exec(output)?.[1]);
    if (!(took > 0)) throw new Error(`qemu-img bench gave no figure: ${output}`);
    return { commands, rate: commands / took, cpu };
  },
};

/** Seconds that a client may take: some targets leave some of them waiting for ever. */
const giveUpAfter = 20;

/** Runs a program; gives what it printed and the processor time that it used. */
async function timed(command: string): Promise<{ output: string; cpu: number }> {
  const limited = `timeout -s KILL ${giveUpAfter} ${command}`;
  const child = spawn("bash", ["-c", `TIMEFORMAT="CPU %U %S"; time ${limited}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (output += String(bytes)));
  await new Promise((resolve) => child.once("close", resolve));
  const [, user, system] = /CPU ([\d.]+) ([\d.]+)/.exec(output) ?? [];
  return { output, cpu: Number(user) + Number(system) };
}
