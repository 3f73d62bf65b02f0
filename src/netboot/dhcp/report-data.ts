import { formatIpv4 } from "../ipv4.ts";
import type { Wire } from "../wire.ts";
import type { DhcpClient } from "./client.ts";
import { describeAddress, type DhcpMessage } from "./message.ts";
import type { RawOptions } from "./option-bytes.ts";
import { DHCP_OPTIONS, readOption } from "./options.ts";

type ReportData = Readonly<Record<string, unknown>>;

/** What a client's message says, for the timeline. */
export function describeRequest(message: DhcpMessage, client: DhcpClient, wire: Wire): ReportData {
  return present({
    interface: wire.name,
    mac: client.mac,
    xid: message.xid,
    ip: describeAddress(message.ciaddr) ?? readOption(DHCP_OPTIONS, message.options, "requestedAddress"),
    server: readOption(DHCP_OPTIONS, message.options, "serverIdentifier"),
    relay: describeAddress(message.giaddr),
    hostName: client.hostName,
    vendorClass: client.vendorClass,
    userClasses: client.userClasses,
    architectures: client.architectures,
    ipxe: client.ipxe,
    requested: readOption(DHCP_OPTIONS, message.options, "parameterRequestList"),
  });
}

export interface ReplyDescription {
  readonly message: DhcpMessage;
  readonly client: DhcpClient;
  readonly wire: Wire;
  readonly address: number;
  readonly boot: string | undefined;
  readonly options: RawOptions;
  readonly dropped: readonly number[];
  readonly to: string;
}

/** What this server answers. Of the options, only those whose values are no secret in any configuration are told. */
export function describeReply(reply: ReplyDescription): ReportData {
  const { message, client, wire, options, dropped } = reply;
  return present({
    interface: wire.name,
    mac: client.mac,
    xid: message.xid,
    ip: describeAddress(reply.address) ?? describeAddress(message.ciaddr),
    server: wire.address,
    to: reply.to,
    routers: readOption(DHCP_OPTIONS, options, "routers"),
    bootFile: withoutCredentials(reply.boot),
    rootPath: withoutCredentials(readOption(DHCP_OPTIONS, options, "rootPath")),
    initiatorName: readOption(DHCP_OPTIONS, options, "initiatorName"),
    relay: message.giaddr === 0 ? undefined : formatIpv4(message.giaddr),
    ...(dropped.length > 0 && { dropped }),
  });
}

/** `http://user:password@host/` without the part before the @. */
function withoutCredentials(url: string | undefined): string | undefined {
  return url?.replace(/^([a-z+.-]+:(?:\/\/)?)[^/@]*@/i, "$1");
}

function present(data: ReportData): ReportData {
  return Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined));
}
