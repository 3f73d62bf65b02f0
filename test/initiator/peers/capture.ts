import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { PcapngWriter, SessionTraces } from "#capture";
import type { ByteTrace, ConnectionEnds } from "#initiator";
import { Digests, PduCutter } from "./pdu-cutter.ts";

const run = promisify(execFile);

type Cutters = Readonly<Record<"sent" | "received", PduCutter>>;

/** Records conversations and has tshark read them back: the independent judge of every byte that was sent. */
export class Capture {
  readonly #blocks: Buffer[] = [];
  readonly #writer = new PcapngWriter((block) => void this.#blocks.push(Buffer.from(block)));
  readonly #traces = new SessionTraces(this.#writer);
  readonly #ports = new Set<number>();
  /** Of each connection. */
  readonly #cutters = new Map<ConnectionEnds, Cutters>();

  /**
   * Each PDU is a frame of its own: tshark (4.0) knows nothing of data digests and takes one that is not the end of a
   * frame for the beginning of the next PDU.
   */
  readonly trace: ByteTrace = (direction, bytes, ends) => {
    this.#ports.add(ends.port);
    for (const pdu of this.#cuttersOf(ends)[direction].push(bytes)) this.#traces.record(direction, pdu, ends);
  };

  /** Frames that tshark calls malformed or worth a note, and how many iSCSI frames it saw in all. */
  async judge(): Promise<{ readonly complaints: string; readonly frames: number }> {
    const rests = [...this.#cutters.values()].flatMap(({ sent, received }) => [sent.rest, received.rest]);
    const torn = rests.find((bytes) => bytes > 0);
    if (torn !== undefined) return { complaints: `${torn} bytes are the beginning of a PDU`, frames: 0 };
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

  #cuttersOf(ends: ConnectionEnds): Cutters {
    const known = this.#cutters.get(ends);
    if (known !== undefined) return known;
    const digests = new Digests();
    const cutters = { sent: new PduCutter(digests), received: new PduCutter(digests) };
    this.#cutters.set(ends, cutters);
    return cutters;
  }
}
