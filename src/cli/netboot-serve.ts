import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { execa } from "execa";
import { z } from "zod";
import { Clock, LabError, UsageError, errorCode, type Report } from "#core";
import { ClientArchitecture, Netboot, type DhcpConfig, type NetbootInterface } from "#netboot";
import { say } from "./output.ts";

export interface NetbootServeOptions {
  readonly interface: readonly string[];
  readonly bootFile?: string;
  readonly uefiBootFile?: string;
  readonly ipxeBootFile?: string;
  readonly rootPath?: string;
  readonly initiator?: string;
  readonly pool?: string;
  readonly router?: string;
  readonly dns?: readonly string[];
  readonly proxy?: true;
  readonly ra?: true;
  readonly httpPort: string;
  readonly yes?: true;
  readonly json?: true;
}

/** Serves until SIGINT (status 130) or SIGTERM (status 0). */
export async function serve(folder: string, options: NetbootServeOptions): Promise<void> {
  const interfaces = await Promise.all(options.interface.map((name) => addressOf(name)));
  if (options.yes !== true) await refuseDefaultRoute(options.interface);
  const clock = new Clock();
  const report: Report = (kind, data) => {
    if (options.json === true) process.stdout.write(`${JSON.stringify({ t: clock.now(), kind, ...data })}\n`);
    else tell(kind, data);
  };
  await using netboot = await Netboot.start({
    interfaces,
    dhcp: dhcpConfig(options),
    files: { root: folder },
    tftp: {},
    http: { port: parsePort(options.httpPort) },
    ...(options.ra === true && { ra: {} }),
    clock,
    report,
  });
  const stopped = Promise.race(
    (["SIGINT", "SIGTERM"] as const).map(async (signal) => {
      await once(process, signal);
      return signal;
    }),
  );
  for (const [i, { name, address }] of interfaces.entries()) {
    say(`serving ${folder} on ${name} (${address}): DHCP, TFTP, ${netboot.httpUrls[i] ?? ""}`);
    if (options.json === true) report("listening", { interface: name, address, http: netboot.httpUrls[i] });
  }
  if ((await stopped) === "SIGINT") process.exitCode = 130;
}

function dhcpConfig(options: NetbootServeOptions): DhcpConfig {
  const { bootFile, uefiBootFile, ipxeBootFile, rootPath, initiator, pool, router, dns, proxy } = options;
  return {
    ...(proxy === true && { mode: "proxy" }),
    ...(pool !== undefined && { pool: [parsePool(pool)] }),
    ...(bootFile !== undefined && { bootFile }),
    ...(rootPath !== undefined && { rootPath }),
    ...(initiator !== undefined && { initiatorName: initiator }),
    bootFiles: [
      ...(ipxeBootFile === undefined ? [] : [{ ipxe: true, file: ipxeBootFile }]),
      ...(uefiBootFile === undefined ? [] : [{ architectures: UEFI, ipxe: false, file: uefiBootFile }]),
    ],
    options: {
      ...(router !== undefined && { routers: [router] }),
      ...(dns !== undefined && { dnsServers: dns }),
    },
  };
}

const UEFI = Object.entries(ClientArchitecture)
  .filter(([name]) => name.startsWith("Efi"))
  .map(([, architecture]) => architecture);

function parsePool(text: string): { readonly first: string; readonly last: string } {
  const [first, last, more] = text.split("-");
  if (first === undefined || last === undefined || more !== undefined)
    throw new UsageError(
      "BAD_POOL",
      `--pool ${text}: write the first and the last address, 10.0.0.100-10.0.0.199`,
    );
  return { first, last };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535)
    throw new UsageError("BAD_PORT", `--http-port ${text} is no port`);
  return port;
}

const links = z.array(
  z.object({
    ifname: z.string().optional(),
    address: z.string().optional(),
    addr_info: z.array(z.object({ local: z.string(), prefixlen: z.number() })).optional(),
  }),
);

/** Node.js lists only interfaces that have a carrier, which a TAP device has not until a machine is there. */
async function addressOf(name: string): Promise<NetbootInterface> {
  const { stdout, failed, code } = await execa("ip", ["-json", "-4", "address", "show", "dev", name], {
    reject: false,
    env: { PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
  });
  if (code === "ENOENT")
    throw new LabError("IP_MISSING", "the program ip is missing; run: apt-get install iproute2");
  if (failed)
    throw new UsageError(
      "INTERFACE_MISSING",
      `there is no interface ${name}; "ip link" lists those there are`,
    );
  const link = links.parse(JSON.parse(stdout)).find(({ ifname }) => ifname === name);
  const first = link?.addr_info?.[0];
  if (first === undefined)
    throw new UsageError(
      "ADDRESS_MISSING",
      `${name} has no IPv4 address; give it one with "ip address add 10.0.0.1/24 dev ${name}"`,
    );
  const { local: address, prefixlen: prefixLength } = first;
  return { name, address, prefixLength, ...(link?.address !== undefined && { mac: link.address }) };
}

/** Others' DHCP serves that network as a rule, and a second server would take their machines away from it. */
async function refuseDefaultRoute(names: readonly string[]): Promise<void> {
  let routes: string;
  try {
    routes = await readFile("/proc/net/route", "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return;
    throw error;
  }
  for (const line of routes.split("\n").slice(1)) {
    const [name = "", destination, , , , , , mask] = line.split("\t");
    if (destination === "00000000" && mask === "00000000" && names.includes(name))
      throw new UsageError(
        "DEFAULT_ROUTE",
        `${name} has the default route, so other machines and their DHCP server are there; add --yes to serve there all the same`,
      );
  }
}

/** Lines for people; requests that are part of a longer exchange are left to --json. */
function tell(kind: string, data: Readonly<Record<string, unknown>>): void {
  const text = (key: string) => String(data[key]);
  const boot = data["bootFile"] === undefined ? "" : `, boot file ${text("bootFile")}`;
  if (kind === "dhcp-discover")
    say(`${text("mac")} asks for an address${data["ipxe"] === true ? " (iPXE)" : ""}`);
  else if (kind === "dhcp-ack") say(`${text("mac")} has ${text("ip")}${boot}`);
  else if (kind === "dhcp-nak") say(`${text("mac")} refused: ${text("reason")}`);
  else if (kind === "dhcp-ignored")
    say(`${data["mac"] === undefined ? text("ip") : text("mac")} ignored: ${text("reason")}`);
  else if (kind === "tftp-done")
    say(`${text("ip")} has read ${text("file")} by TFTP (${text("bytes")} bytes)`);
  else if (kind === "http-done")
    say(`${text("ip")} ${text("method")} ${text("path")}: ${text("status")} (${text("bytes")} bytes)`);
  else if (kind.endsWith("-error")) say(`${kind} on ${text("interface")}: ${text("reason")}`);
}
