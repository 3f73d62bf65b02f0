import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { PcapngWriter, SessionTraces } from "#capture";
import type { ByteTrace } from "#initiator";

const run = promisify(execFile);

/** What a connection carried one way, between two turns of its talk. */
interface Stretch {
  readonly direction: Parameters<ByteTrace>[0];
  readonly ends: Parameters<ByteTrace>[2];
  readonly bytes: Buffer[];
}

/** Records conversations and has tshark read them back: the independent judge of every byte that was sent. */
export class Capture {
  readonly #blocks: Buffer[] = [];
  readonly #writer = new PcapngWriter((block) => void this.#blocks.push(Buffer.from(block)));
  readonly #traces = new SessionTraces(this.#writer);
  readonly #ports = new Set<number>();
  /** By local port. */
  readonly #stretches = new Map<number, Stretch>();

  /**
   * A stretch is recorded as one: tshark sees by the first data that comes whether there are data digests, and takes a
   * frame that ends between both, as TCP may cut it, for proof that there are none.
   */
  readonly trace: ByteTrace = (direction, bytes, ends) => {
    this.#ports.add(ends.port);
    const stretch = this.#stretches.get(ends.localPort);
    if (stretch?.direction === direction) {
      stretch.bytes.push(Buffer.from(bytes));
      return;
    }
    if (stretch !== undefined) this.#record(stretch);
    this.#stretches.set(ends.localPort, { direction, ends, bytes: [Buffer.from(bytes)] });
  };

  /** Frames that tshark calls malformed or worth a note, and how many iSCSI frames it saw in all. */
  async judge(): Promise<{ readonly complaints: string; readonly frames: number }> {
    const complaints = await this.fields("_ws.malformed || iscsi && _ws.expert", [
      "frame.number",
      "_ws.expert.message",
    ]);
    const frames = await this.fields("iscsi", ["frame.number"]);
    return { complaints: complaints.trim(), frames: frames.split("\n").filter((line) => line !== "").length };
  }

  /** One line for each frame that matches, with these fields of tshark's iSCSI dissector. */
  async fields(filter: string, fields: readonly string[]): Promise<string> {
    const folder = await mkdtemp(path.join(tmpdir(), "sanlab-capture-"));
    const file = path.join(folder, "capture.pcapng");
    for (const stretch of this.#stretches.values()) this.#record(stretch);
    this.#stretches.clear();
    try {
      await writeFile(file, Buffer.concat(this.#blocks));
      const decode = [...this.#ports].flatMap((port) => ["-d", `tcp.port==${port},iscsi`]);
      const wanted = fields.flatMap((field) => ["-e", field]);
      const args = [
        "-r",
        file,
        ...decode,
        "-o",
        "iscsi.bogus_pdu_max_data_len:16777215",
        "-Y",
        filter,
        "-T",
        "fields",
        ...wanted,
      ];
      return (await run("tshark", args, { maxBuffer: 64 * 1024 * 1024 })).stdout;
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  #record({ direction, bytes, ends }: Stretch): void {
    this.#traces.record(direction, Buffer.concat(bytes), ends);
  }
}
