import { open, readFile } from "node:fs/promises";
import { MemoryDevice, OverlayDevice } from "#block";
import { Clock, UsageError, errorMessage, type Report } from "#core";
import { readFaultPlan } from "#faults";
import { Target, type ChapUsers, type LogicalUnitOptions } from "#target";
import { isOperationalKey, operationalKeys, type KeyRule, type OperationalValues } from "ts-iscsi-pdu";
import { parse } from "yaml";
import { z } from "zod";
import { defaultIscsiOptions } from "./iscsi-options.ts";
import { parseListen } from "./listen.ts";
import { isUrl, openDevice } from "./open-device.ts";
import { say } from "./output.ts";
import { StopSignal } from "./stop-signal.ts";
import { Statistics } from "./target-statistics.ts";

export interface ServeOptions {
  readonly listen: string;
  readonly iqn: string;
  readonly readOnly?: true;
  readonly overlay?: true;
  readonly memory?: string;
  readonly chapFile?: string;
  readonly faults?: string;
  readonly grace: string;
  readonly param: readonly string[];
  readonly json?: true;
}

/** Serves until SIGINT (status 130) or SIGTERM (status 0); sessions are closed and devices flushed either way. */
export async function serve(images: readonly string[], options: ServeOptions): Promise<void> {
  if (images.length === 0 && options.memory === undefined)
    throw new UsageError("NOTHING_TO_SERVE", "nothing to serve: name an image, or give --memory SIZE");
  const grace = parseGrace(options.grace);
  const { host, port } = parseListen(options.listen, 3260);
  const keys = parseParams(options.param);
  const auth = options.chapFile === undefined ? undefined : await readChapFile(options.chapFile);
  const faults = options.faults === undefined ? undefined : await readFaults(options.faults);
  using stop = new StopSignal();
  await using resources = new AsyncDisposableStack();
  const clock = new Clock();
  const statistics = new Statistics();
  const report: Report = (kind, data) => {
    statistics.take(kind, data);
    if (options.json === true) process.stdout.write(`${JSON.stringify({ t: clock.now(), kind, ...data })}\n`);
    else tell(kind, data);
  };
  const luns = await openUnits(images, options, { report, signal: stop.signal }, resources);
  const target = resources.use(
    await Target.listen({
      iqn: options.iqn,
      luns,
      host,
      port,
      keys,
      report,
      ...(auth !== undefined && { auth }),
      ...(faults !== undefined && { faults }),
    }),
  );
  const { address } = target;
  const shown = address.host.includes(":") ? `[${address.host}]` : address.host;
  say(
    `serving ${luns.length} logical ${luns.length === 1 ? "unit" : "units"} at iscsi://${shown}:${address.port}/${options.iqn}/0`,
  );
  if (options.json === true)
    report("listening", { ...address, target: options.iqn, luns: luns.map(({ lun }) => lun) });
  const stopRefreshing = options.json === true ? undefined : statistics.show(target);
  const hangUp = () => void reload(target, options.faults);
  process.on("SIGHUP", hangUp);
  const signal = await stop.received;
  process.off("SIGHUP", hangUp);
  stopRefreshing?.();
  if (target.sessions.length > 0) {
    say("asking the initiators to log out; a second signal ends at once");
    await target.requestLogout({ seconds: grace });
  }
  if (signal === "SIGINT") process.exitCode = 130;
}

/** Reads the fault plan again; a plan that cannot be read is told and changes nothing. */
async function reload(target: Target, file: string | undefined): Promise<void> {
  try {
    if (file !== undefined) target.setFaults(await readFaults(file));
  } catch (error) {
    say(errorMessage(error));
  }
}

async function openUnits(
  images: readonly string[],
  options: ServeOptions,
  { report, signal }: { readonly report: Report; readonly signal: AbortSignal },
  resources: AsyncDisposableStack,
): Promise<readonly LogicalUnitOptions[]> {
  const luns: LogicalUnitOptions[] = [];
  for (const image of images) {
    const lun = luns.length;
    const cdrom = !isUrl(image) && image.toLowerCase().endsWith(".iso");
    const readOnly = cdrom || options.readOnly === true || options.overlay === true;
    const base = await openDevice(
      image,
      {
        readOnly,
        signal,
        iscsi: defaultIscsiOptions,
        report: (kind, data) => report(kind, { lun, ...data }),
      },
      resources,
    );
    const overlaid = options.overlay === true && !cdrom;
    const device = overlaid
      ? resources.use(new OverlayDevice(base, resources.use(new MemoryDevice(base.size))))
      : base;
    luns.push({
      lun,
      device,
      type: cdrom ? "cdrom" : "disk",
      readOnly: options.readOnly === true,
    });
  }
  if (options.memory !== undefined)
    luns.push({ lun: luns.length, device: resources.use(new MemoryDevice(parseSize(options.memory))) });
  return luns;
}

function parseSize(text: string): number {
  const found = /^(\d+)([KMGT]?)i?B?$/i.exec(text);
  const size = Number(found?.[1]) * 1024 ** " KMGT".indexOf((found?.[2] || " ").toUpperCase());
  if (found === null || size === 0 || !Number.isSafeInteger(size) || size % 512 !== 0)
    throw new UsageError("BAD_SIZE", `${JSON.stringify(text)} is no size of a disk; write 64M or 2G`);
  return size;
}

function parseGrace(text: string): number {
  const seconds = Number(text);
  if (text.trim() === "" || !(seconds >= 0 && seconds <= 3600))
    throw new UsageError("BAD_GRACE", `--grace ${text}: seconds are a number from 0 to 3600`);
  return seconds;
}

function parseParams(params: readonly string[]): Partial<OperationalValues> {
  const entries = params.map((param) => {
    const [key = "", value = ""] = param.split(/=(.*)/s);
    if (!isOperationalKey(key))
      throw new UsageError(
        "BAD_PARAM",
        `--param ${param}: ${JSON.stringify(key)} is no operational key of RFC 7143`,
      );
    const rule: KeyRule = operationalKeys[key];
    const parsed = value.split(",").map((choice) => rule.parse(choice));
    if (value === "" || parsed.includes(undefined) || (parsed.length > 1 && typeof rule.default !== "string"))
      throw new UsageError("BAD_PARAM", `--param ${param}: ${key} is ${rule.range}`);
    return [key, parsed.length > 1 ? value : parsed[0]];
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each value came out of its key's own rule
  return Object.fromEntries(entries) as Partial<OperationalValues>;
}

const chapFile = z.strictObject({
  users: z.record(z.string().min(1), z.string().min(12)),
  mutual: z.strictObject({ user: z.string().min(1), secret: z.string().min(12) }).optional(),
});

/** Secrets that others on this machine can read are no secrets. What is wrong is told without showing any. */
async function readChapFile(file: string): Promise<ChapUsers> {
  await using handle = await open(file, "r");
  if (((await handle.stat()).mode & 0o077) !== 0)
    throw new UsageError("SECRETS_READABLE", `${file} can be read by others; run: chmod 600 ${file}`);
  let data: unknown;
  try {
    data = parse(await handle.readFile("utf8"));
  } catch {
    throw new UsageError("BAD_CHAP_FILE", `${file} is not YAML`);
  }
  const checked = chapFile.safeParse(data);
  if (checked.success) {
    const { users, mutual } = checked.data;
    return mutual === undefined ? { users } : { users, mutual };
  }
  const where = checked.error.issues[0]?.path.join(".") ?? "";
  throw new UsageError(
    "BAD_CHAP_FILE",
    `${file}: ${where || "the file"} is wrong; secrets have 12 characters or more`,
  );
}

async function readFaults(file: string) {
  return readFaultPlan(await readFile(file, "utf8"), file);
}

/** Lines for people: what comes and goes, and what goes wrong. Reads and writes are in the statistics. */
function tell(kind: string, data: Readonly<Record<string, unknown>>): void {
  const text = (key: string) => String(data[key]);
  if (kind === "login-done") say(`session ${text("session")}: ${text("initiator")} has logged in`);
  else if (kind === "login-refused") say(`login refused: ${text("why")}`);
  else if (kind === "session-closed") say(`session ${text("session")}: closed (${text("how")})`);
  else if (kind === "protocol-error") say(`connection ${text("connection")}: ${text("message")}`);
  else if (kind === "initiator" && data["step"] === "session-lost")
    say(`logical unit ${text("lun")}: its iSCSI session is lost: ${text("reason")}`);
  else if (kind === "faults") say(`faults in force, seed ${text("seed")}`);
  else if (kind === "fault") say(`fault ${text("rule")}, shot ${text("shot")}: ${text("action")}`);
}
