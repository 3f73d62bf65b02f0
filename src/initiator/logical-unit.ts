import { setTimeout as sleep } from "node:timers/promises";
import {
  cdbTitle,
  encodeCdb,
  readCapacity10,
  readCapacity16,
  readInquiry,
  readModeParameters,
  readVpdPage,
  ScsiStatus,
  SenseKey,
  type Capacity16,
  type CdbFields,
  type CdbName,
  type ModeParameters,
  type StandardInquiry,
} from "#scsi";
import { decodeLun, type LunValue } from "ts-iscsi-pdu";
import { ScsiError, TransportError } from "./errors.ts";
import type { ScsiCommand, ScsiResult } from "./scsi-command.ts";

/** What executes commands; a Session is one. */
export interface Executor {
  execute(command: ScsiCommand): Promise<ScsiResult>;
}

/** The buffers of a command, and when to give it up. */
export type CommandIo = Pick<ScsiCommand, "readInto" | "write" | "signal" | "attribute" | "replay">;
export type SignalOptions = Pick<ScsiCommand, "signal">;

/** A logical unit that has just changed, or is just coming up, says so this often at most before it is an error. */
const maxAttentions = 8;
const maxBusy = 20;
const busyDelayMs = 50;

/**
 * One logical unit by its SCSI commands. Conditions that only announce a change (UNIT ATTENTION) or ask for patience
 * (BUSY, TASK SET FULL, becoming ready) are absorbed by sending the command again; every other status is a ScsiError.
 */
export class LogicalUnit {
  readonly lun: LunValue;
  readonly #executor: Executor;

  constructor(executor: Executor, lun: LunValue) {
    this.#executor = executor;
    this.lun = lun;
  }

  /** Runs a command by its name in `#scsi`: `unit.run("synchronizeCache10", {})`. */
  async run<Name extends CdbName>(
    command: Name,
    fields: Partial<CdbFields<Name>>,
    io: CommandIo = {},
  ): Promise<ScsiResult> {
    return await this.send(encodeCdb(command, fields), io);
  }

  /**
   * Sends a CDB.
   * @throws ScsiError with status and sense in words; what `Session.execute` throws.
   */
  async send(cdb: Uint8Array, io: CommandIo = {}): Promise<ScsiResult> {
    for (let attentions = 0, busy = 0; ;) {
      const result = await this.#executor.execute({ lun: this.lun, cdb, ...io });
      const { status, sense } = result;
      if (status === ScsiStatus.Good || status === ScsiStatus.ConditionMet) return result;
      if (
        status === ScsiStatus.CheckCondition &&
        sense?.key === SenseKey.UnitAttention &&
        attentions++ < maxAttentions
      )
        continue;
      if (asksForPatience(result) && busy++ < maxBusy) {
        await sleep(busyDelayMs * busy, undefined, { signal: io.signal });
        continue;
      }
      throw new ScsiError(
        cdbTitle(cdb),
        typeof this.lun === "number" ? this.lun : decodeLun(this.lun),
        status,
        sense,
      );
    }
  }

  /** Runs a command that reads up to `length` bytes and gives those that came. */
  async fetch<Name extends CdbName>(
    command: Name,
    fields: Partial<CdbFields<Name>>,
    length: number,
    options: SignalOptions = {},
  ): Promise<Uint8Array> {
    const readInto = Buffer.alloc(length);
    const { read } = await this.run(command, fields, { readInto, ...options });
    return readInto.subarray(0, read);
  }

  async testUnitReady(options: SignalOptions = {}): Promise<void> {
    await this.run("testUnitReady", {}, options);
  }

  async inquiry(options: SignalOptions = {}): Promise<StandardInquiry> {
    const bytes = await this.fetch("inquiry", { allocationLength: 255 }, 255, options);
    if (bytes.length < 5) throw this.#short("INQUIRY", bytes.length);
    return readInquiry(bytes);
  }

  /** The body of a VPD page; undefined where the unit has no such page. */
  async vpd(page: number, options: SignalOptions = {}): Promise<Uint8Array | undefined> {
    try {
      const bytes = await this.fetch("inquiry", { vital: true, page, allocationLength: 4096 }, 4096, options);
      return readVpdPage(page, bytes);
    } catch (error) {
      if (isIllegalRequest(error)) return undefined;
      throw error;
    }
  }

  /** READ CAPACITY(16), or (10) from units that know no other. */
  async readCapacity(options: SignalOptions = {}): Promise<Capacity16> {
    try {
      const bytes = await this.fetch("readCapacity16", { allocationLength: 32 }, 32, options);
      const capacity = readCapacity16(bytes);
      if (capacity !== undefined) return capacity;
      throw this.#short("READ CAPACITY(16)", bytes.length);
    } catch (error) {
      if (!isIllegalRequest(error)) throw error;
    }
    const bytes = await this.fetch("readCapacity10", {}, 8, options);
    const capacity = readCapacity10(bytes);
    if (capacity === undefined) throw this.#short("READ CAPACITY(10)", bytes.length);
    return {
      ...capacity,
      protection: 0,
      physicalBlockExponent: 0,
      lowestAlignedLba: 0,
      thinProvisioned: false,
      readsZeros: false,
    };
  }

  /** MODE SENSE(6) of a page; undefined where the unit has no such page. */
  async modeSense(page: number, options: SignalOptions = {}): Promise<ModeParameters | undefined> {
    try {
      const bytes = await this.fetch("modeSense6", { page, allocationLength: 255 }, 255, options);
      return readModeParameters(bytes.subarray(0, (bytes[0] ?? 0) + 1), 6);
    } catch (error) {
      if (isIllegalRequest(error)) return undefined;
      throw error;
    }
  }

  #short(command: string, bytes: number): TransportError {
    return new TransportError(
      "SHORT_ANSWER",
      `LUN ${String(this.lun)}, ${command}: only ${bytes} bytes came back`,
    );
  }
}

/** Whether the unit refuses a command or a field of it because it does not have that. */
export const isIllegalRequest = (error: unknown): error is ScsiError =>
  error instanceof ScsiError && error.sense?.key === SenseKey.IllegalRequest;

function asksForPatience({ status, sense }: ScsiResult): boolean {
  if (status === ScsiStatus.Busy || status === ScsiStatus.TaskSetFull) return true;
  return sense?.key === SenseKey.NotReady && sense.asc === 0x04 && sense.ascq === 0x01;
}
