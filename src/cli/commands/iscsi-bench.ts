import { Command, Option } from "commander";
import { generateLoad, type LoadPattern } from "#initiator";
import { bytes, count, positive, withIscsiOptions, type IscsiOptions } from "../iscsi-options.ts";
import { withSession } from "../iscsi-session.ts";
import { printJson } from "../output.ts";

interface BenchOptions extends IscsiOptions {
  readonly bs: number;
  readonly depth: number;
  readonly rw: LoadPattern;
  readonly seconds: number;
  readonly connections: number;
}

export function benchCommand(): Command {
  return withIscsiOptions(new Command("bench").description("measure commands and bytes a second"))
    .argument("<url>", "iscsi://host[:port]/target[/lun]")
    .option("--bs <size>", "bytes of one command", bytes, 4096)
    .option("--depth <n>", "commands outstanding", count, 32)
    .addOption(
      new Option("--rw <pattern>", "what to do; both write patterns destroy what the disk holds")
        .choices(["randread", "randwrite", "read", "write"])
        .default("randread"),
    )
    .option("--seconds <n>", "for how long", positive, 5)
    .option("--connections <n>", "of the session", count, 1)
    .addHelpText(
      "after",
      "\nExample:\n  sanlab iscsi bench iscsi://192.0.2.1/iqn.2001-04.com.example:disk/0 --bs 4k --depth 64 --seconds 10",
    )
    .action((url: string, options: BenchOptions) => {
      const { bs: size, depth, rw: pattern, seconds, connections } = options;
      const timeout = Math.max(options.timeout, seconds + 15);
      return withSession(
        url,
        { ...options, timeout },
        async ({ session, lun, signal }) => {
          const { blockSize, size: diskSize } = await session.disk(lun, { signal });
          const blocks = diskSize / blockSize;
          const result = await generateLoad([session], {
            pattern,
            size,
            depth,
            seconds,
            lun,
            blockSize,
            blocks,
            signal,
          });
          const iops = result.commands / result.seconds;
          const bytesPerSecond = result.bytes / result.seconds;
          const cpuPer100k = (result.cpuSeconds / result.commands) * 100_000;
          if (options.json)
            return printJson({
              ...result,
              iops,
              bytesPerSecond,
              cpuPer100k,
              connections: session.connectionCount,
            });
          process.stdout.write(
            `${pattern} ${size} bytes, depth ${depth}: ${iops.toFixed(0)} commands/s, ${(bytesPerSecond / 1e6).toFixed(1)} MB/s, ` +
              `${cpuPer100k.toFixed(2)} CPU s per 100,000, median ${result.latency.median.toFixed(3)} ms, ` +
              `99 % ${result.latency.p99.toFixed(3)} ms\n`,
          );
        },
        connections,
      );
    });
}
