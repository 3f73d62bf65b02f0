import type { Report } from "#core";
import { formatIpv4, networkOf, parseIpv4 } from "../ipv4.ts";
import type { Wire } from "../wire.ts";
import { chooseBoot, type BootChoice } from "./boot-choice.ts";
import { checkConfig } from "./check-config.ts";
import { identifyClient, type DhcpClient } from "./client.ts";
import type { DhcpConfig, DhcpReservation } from "./config.ts";
import { readEncapsulated } from "./encapsulated.ts";
import type { Lease } from "./lease-pool.ts";
import { decodeMessage, messageType, MessageType, type DhcpMessage } from "./message.ts";
import { DHCP_OPTIONS, readOption, type DhcpOptionValues } from "./options.ts";
import { buildReply, replyAddress } from "./reply.ts";
import { configuredOptions, orderOptions, protocolOptions } from "./reply-options.ts";
import { describeReply, describeRequest } from "./report-data.ts";
import { buildSubnets, indexReservations, type Subnet } from "./subnet.ts";

export const DHCP_PORT = 67;
export const PXE_PORT = 4011;

/** A datagram as it came in. */
export interface Incoming {
  readonly datagram: Uint8Array;
  readonly wire: Wire;
  readonly from: { readonly address: string; readonly port: number };
  readonly port: typeof DHCP_PORT | typeof PXE_PORT;
}

export interface Outgoing {
  readonly bytes: Uint8Array;
  readonly to: { readonly address: string; readonly port: number };
}

interface Exchange extends Incoming {
  readonly message: DhcpMessage;
  readonly client: DhcpClient;
  readonly reservation: DhcpReservation | undefined;
  readonly subnet: Subnet | undefined;
  /** The name under which leases are kept. */
  readonly key: string;
}

/** The DHCP server's side of RFC 2131 §4.3, without sockets: a datagram in, perhaps one out. */
export class DhcpEngine {
  readonly #config: DhcpConfig;
  readonly #subnets: readonly Subnet[];
  readonly #reservations: ReadonlyMap<string, DhcpReservation>;
  readonly #own: ReadonlySet<number>;
  readonly #report: Report;

  /** @param now seconds, monotonic */
  constructor(wires: readonly Wire[], config: DhcpConfig, now: () => number, report: Report) {
    checkConfig(config);
    this.#config = config;
    this.#subnets = buildSubnets(wires, config, now);
    this.#reservations = indexReservations(config);
    this.#own = new Set(wires.map((wire) => wire.ip));
    this.#report = report;
  }

  leases(): readonly Lease[] {
    return this.#subnets.flatMap((subnet) => subnet.pool.leases());
  }

  handle(incoming: Incoming): Outgoing | undefined {
    const message = decodeMessage(incoming.datagram);
    if (!message || message.op !== 1) {
      const reason = message ? "a reply of another server" : "no DHCP message";
      this.#report("dhcp-ignored", { interface: incoming.wire.name, ip: incoming.from.address, reason });
      return undefined;
    }
    const client = identifyClient(message);
    const exchange: Exchange = {
      ...incoming,
      message,
      client,
      reservation: this.#reservations.get(client.mac),
      subnet: this.#subnetOf(message, incoming.wire),
      key: this.#keyOf(message, client),
    };
    const type = messageType(message);
    const kind = type === undefined ? undefined : REQUEST_KINDS[type];
    if (type === undefined || kind === undefined)
      return this.#ignore(exchange, "not a client's DHCP message type");
    this.#report(kind, describeRequest(message, client, incoming.wire));

    if (this.#config.onlyReserved && !exchange.reservation) return this.#ignore(exchange, "no reservation");
    if (incoming.port === PXE_PORT || this.#config.mode === "proxy") return this.#bootOnly(exchange, type);
    if (!exchange.subnet) return this.#ignore(exchange, "no pool for the subnet it comes from");
    return this.#serve(exchange, exchange.subnet, type);
  }

  #serve(exchange: Exchange, subnet: Subnet, type: MessageType): Outgoing | undefined {
    switch (type) {
      case MessageType.Discover:
        return this.#discover(exchange, subnet);
      case MessageType.Request:
        return this.#request(exchange, subnet);
      case MessageType.Inform:
        return this.#answer(exchange, MessageType.Ack, 0);
      case MessageType.Decline:
        return this.#decline(exchange, subnet);
      case MessageType.Release:
        subnet.pool.release(exchange.key, exchange.message.ciaddr);
        break;
      case MessageType.Offer:
      case MessageType.Ack:
      case MessageType.Nak:
        break;
    }
    return undefined;
  }

  #discover(exchange: Exchange, subnet: Subnet): Outgoing | undefined {
    const { message, key } = exchange;
    const address =
      this.#reserved(exchange, subnet) ?? subnet.pool.choose(key, addressOption(message, "requestedAddress"));
    if (address === undefined) return this.#ignore(exchange, "the pool is exhausted");
    subnet.pool.offer(key, address);
    return this.#answer(exchange, MessageType.Offer, address);
  }

  /** The four cases of RFC 2131 §4.3.2, told apart by server identifier, requested address and ciaddr. */
  #request(exchange: Exchange, subnet: Subnet): Outgoing | undefined {
    const { message, key } = exchange;
    const { pool } = subnet;
    const server = addressOption(message, "serverIdentifier");
    if (server !== undefined && !this.#own.has(server)) {
      pool.withdraw(key);
      return this.#ignore(exchange, `chose the server ${formatIpv4(server)}`);
    }
    const requested = addressOption(message, "requestedAddress");
    const address = requested ?? message.ciaddr;
    if (networkOf(address, subnet.prefixLength) !== subnet.network) {
      return this.#refuse(exchange, `${formatIpv4(address)} is not in this subnet`);
    }
    const reserved = this.#reserved(exchange, subnet);
    if (reserved === undefined ? !pool.isFree(address, key) : address !== reserved) {
      return this.#refuse(exchange, `${formatIpv4(address)} is not this client's`);
    }
    const known = reserved !== undefined || pool.held(key)?.address === address;
    if (!known && server === undefined && this.#config.authoritative === false) {
      return this.#ignore(exchange, "no record of its lease");
    }
    pool.bind(key, address, this.#leaseSeconds);
    return this.#answer(exchange, MessageType.Ack, address);
  }

  #decline(exchange: Exchange, subnet: Subnet): undefined {
    const declined = addressOption(exchange.message, "requestedAddress");
    const held = subnet.pool.held(exchange.key);
    if (declined !== undefined && held?.address === declined) subnet.pool.decline(declined);
  }

  /** A proxy's offer, or the answer of a boot server on port 4011; neither gives out an address. */
  #bootOnly(exchange: Exchange, type: MessageType): Outgoing | undefined {
    const { client, port } = exchange;
    const boot = this.#boot(exchange);
    if (!boot || client.firmware === undefined) return this.#ignore(exchange, "no boot file for it");
    if (port === PXE_PORT) {
      const asks = type === MessageType.Request || type === MessageType.Inform;
      return asks ? this.#answer(exchange, MessageType.Ack, 0) : undefined;
    }
    return type === MessageType.Discover ? this.#answer(exchange, MessageType.Offer, 0) : undefined;
  }

  #answer(exchange: Exchange, type: MessageType, address: number): Outgoing {
    const { message, client, reservation, wire, port, from } = exchange;
    const boot = this.#boot(exchange);
    const proxy = this.#config.mode === "proxy" || port === PXE_PORT;
    const subnet = proxy ? undefined : exchange.subnet;
    const protocol = protocolOptions(
      { ...this.#identity(type, wire), ...(address && this.#lifetimes()) },
      message,
    );
    const configured = configuredOptions({
      client,
      request: message,
      subnet,
      boot,
      common: this.#config,
      reservation,
    });
    const { bytes, dropped } = buildReply(message, {
      type,
      yiaddr: address,
      siaddr: boot?.nextServer ?? explicitNextServer(this.#config, reservation),
      file: boot?.file ?? "",
      options: orderOptions(protocol, configured, message),
    });
    const to = port === PXE_PORT && message.giaddr === 0 ? from : replyAddress(message, type, from);
    const facts = {
      message,
      client,
      wire,
      address,
      boot: boot?.file,
      options: configured,
      dropped,
      to: to.address,
    };
    this.#report(type === MessageType.Offer ? "dhcp-offer" : "dhcp-ack", describeReply(facts));
    return { bytes, to };
  }

  #refuse(exchange: Exchange, reason: string): Outgoing {
    const { message, client, wire, from } = exchange;
    const type = MessageType.Nak;
    const protocol = protocolOptions({ ...this.#identity(type, wire), message: reason }, message);
    // RFC 2131 §4.3.2: behind a relay, a NAK must come as a broadcast to a client whose address is wrong.
    const request = message.giaddr === 0 ? message : { ...message, flags: message.flags | 0x8000 };
    const { bytes } = buildReply(request, { type, yiaddr: 0, siaddr: 0, file: "", options: [...protocol] });
    const to = replyAddress(message, type, from);
    this.#report("dhcp-nak", {
      interface: wire.name,
      mac: client.mac,
      xid: message.xid,
      reason,
      to: to.address,
    });
    return { bytes, to };
  }

  #ignore({ client, wire, message }: Exchange, reason: string): undefined {
    this.#report("dhcp-ignored", { interface: wire.name, mac: client.mac, xid: message.xid, reason });
  }

  #boot({ client, reservation, wire }: Exchange): BootChoice | undefined {
    return chooseBoot(client, this.#config, reservation, wire);
  }

  #identity(type: MessageType, wire: Wire): DhcpOptionValues {
    return { messageType: type, serverIdentifier: wire.address };
  }

  #lifetimes(): DhcpOptionValues {
    const leaseTime = this.#leaseSeconds;
    return {
      leaseTime,
      renewalTime: Math.floor(leaseTime / 2),
      rebindingTime: Math.floor((leaseTime * 7) / 8),
    };
  }

  get #leaseSeconds(): number {
    return this.#config.leaseSeconds ?? 12 * 3600;
  }

  /** The client's fixed address, if it has one in the subnet where it is now. */
  #reserved({ reservation }: Exchange, subnet: Subnet): number | undefined {
    const address = reservation?.address === undefined ? undefined : parseIpv4(reservation.address);
    if (address === undefined || networkOf(address, subnet.prefixLength) !== subnet.network) return undefined;
    return address;
  }

  /** RFC 3527 (82.5) and RFC 3011 (118) name the subnet outright, else it is the relay's, else the wire's. */
  #subnetOf(message: DhcpMessage, wire: Wire): Subnet | undefined {
    const link = readEncapsulated(message.options.get(82) ?? new Uint8Array())?.get(5);
    const named =
      link?.length === 4 ? Buffer.from(link).readUInt32BE() : addressOption(message, "subnetSelection");
    const inside = named ?? (message.giaddr === 0 ? wire.ip : message.giaddr);
    return this.#subnets.find(({ network, prefixLength }) => networkOf(inside, prefixLength) === network);
  }

  #keyOf(message: DhcpMessage, client: DhcpClient): string {
    const byIdentifier = this.#config.identifyBy === "client-identifier" || client.mac === "";
    if (byIdentifier && client.clientIdentifier)
      return `id ${Buffer.from(client.clientIdentifier).toString("hex")}`;
    return message.htype === 1 ? client.mac : `${message.htype}/${client.mac}`;
  }
}

const REQUEST_KINDS: Readonly<Partial<Record<MessageType, string>>> = {
  [MessageType.Discover]: "dhcp-discover",
  [MessageType.Request]: "dhcp-request",
  [MessageType.Decline]: "dhcp-decline",
  [MessageType.Release]: "dhcp-release",
  [MessageType.Inform]: "dhcp-inform",
};

function addressOption(
  message: DhcpMessage,
  name: "requestedAddress" | "serverIdentifier" | "subnetSelection",
): number | undefined {
  const text = readOption(DHCP_OPTIONS, message.options, name);
  return text === undefined ? undefined : parseIpv4(text);
}

function explicitNextServer(config: DhcpConfig, reservation: DhcpReservation | undefined): number {
  return parseIpv4(reservation?.nextServer ?? config.nextServer ?? "0.0.0.0") ?? 0;
}
