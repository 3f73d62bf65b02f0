import { Clock, SanlabError, UsageError, withTimeout, type Report } from "#core";
import { serveNbd, type NbdAddress } from "#nbd";
import { TraceFile } from "./iscsi-trace.ts";
import type { IscsiOptions } from "./iscsi-options.ts";
import { parseListen } from "./listen.ts";
import { openDevice } from "./open-device.ts";
import { say } from "./output.ts";
import { StopSignal } from "./stop-signal.ts";

export interface NbdServeOptions extends IscsiOptions {
  readonly socket?: string;
  readonly listen?: string;
  readonly name: string;
  readonly readOnly?: true;
}

/**
 * Serves until SIGINT (status 130) or SIGTERM (status 0); the disk is flushed and its session logged out either way.
 * @throws SanlabError SESSION_LOST when the iSCSI session ends for good
 */
export async function serve(source: string, options: NbdServeOptions): Promise<void> {
  const { name, readOnly = false } = options;
  const address = addressOf(options);
  const clock = new Clock();
  const lost = Promise.withResolvers<never>();
  const report: Report = (kind, data) => {
    if (options.json === true) process.stdout.write(`${JSON.stringify({ t: clock.now(), kind, ...data })}\n`);
    else tell(kind, data);
    if (kind === "initiator" && data["step"] === "session-lost")
      lost.reject(
        new SanlabError("SESSION_LOST", `${source}: the session is lost: ${String(data["reason"])}`),
      );
  };
  // The loss may come before anybody waits for it.
  lost.promise.catch(() => undefined);
  using stop = new StopSignal();
  using trace = options.trace === undefined ? undefined : new TraceFile(options.trace);
  await using resources = new AsyncDisposableStack();
  const device = await withTimeout(
    `${source}: opening it`,
    options.timeout * 1000,
    (signal) => openDevice(source, { iscsi: options, readOnly, signal, trace, report }, resources),
    stop.signal,
  );
  const server = resources.use(
    await serveNbd({ listen: address, exports: [{ name, device, readOnly }], report }),
  );
  const url = server.url(name);
  say(`serving ${device.size} bytes at ${url}`);
  if (options.json === true)
    report("listening", { url, ...server.address, size: device.size, blockSize: device.blockSize });
  const signal = await Promise.race([stop.received, lost.promise]);
  await server[Symbol.asyncDispose]();
  if (!device.readOnly && !readOnly) await device.flush();
  if (signal === "SIGINT") process.exitCode = 130;
}

function addressOf({ socket, listen }: NbdServeOptions): NbdAddress {
  if ((socket === undefined) === (listen === undefined))
    throw new UsageError("NO_SOCKET", "say where to listen: --socket PATH, or --listen HOST:PORT");
  return socket === undefined ? parseListen(listen ?? "", 10_809) : { path: socket };
}

/** Lines for people: what comes and goes, and what goes wrong. */
function tell(kind: string, data: Readonly<Record<string, unknown>>): void {
  const text = (key: string) => String(data[key]);
  if (kind === "negotiated") say(`client ${text("connection")}: connected`);
  else if (kind === "disconnected") say(`client ${text("connection")}: gone (${text("how")})`);
  else if (kind === "protocol-error") say(`client ${text("connection")}: ${text("message")}`);
  else if (kind === "command-failed")
    say(`client ${text("connection")}: ${text("command")} at ${text("offset")}: ${text("message")}`);
  else if (kind === "initiator" && /lost|recovered/.test(text("step")))
    say(`iSCSI session: ${text("step").replace("-", " ")}`);
}
