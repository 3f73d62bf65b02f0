import { networkInterfaces } from "node:os";
import { UsageError } from "#core";
import { ipv4, networkOf } from "./ipv4.ts";
import { normalizeMac } from "./mac-address.ts";

/** One network interface of this host on which the services answer. */
export interface NetbootInterface {
  /** The interface's name, e.g. `tap0`. */
  readonly name: string;
  /** This host's IPv4 address on it, dotted. */
  readonly address: string;
  readonly prefixLength: number;
  /** This host's hardware address on it; looked up when left out. Only router advertisements carry it. */
  readonly mac?: string;
}

/** A checked interface, with its numbers at hand. */
export interface Wire {
  readonly name: string;
  readonly address: string;
  readonly prefixLength: number;
  readonly mac: string | undefined;
  readonly ip: number;
  readonly network: number;
}

export function toWire(given: NetbootInterface): Wire {
  // 15 characters: IFNAMSIZ less the terminating zero.
  if (!/^[^\s/:]{1,15}$/.test(given.name)) {
    throw new UsageError("BAD_INTERFACE", `"${given.name}" is no interface name`);
  }
  const { prefixLength } = given;
  if (!Number.isInteger(prefixLength) || prefixLength < 1 || prefixLength > 32) {
    throw new UsageError(
      "BAD_PREFIX",
      `interface ${given.name}: prefix length ${prefixLength} is not 1 to 32`,
    );
  }
  const ip = ipv4(given.address, `interface ${given.name}`);
  const mac = given.mac ?? networkInterfaces()[given.name]?.[0]?.mac;
  return {
    name: given.name,
    address: given.address,
    prefixLength,
    mac: mac === undefined ? undefined : normalizeMac(mac),
    ip,
    network: networkOf(ip, prefixLength),
  };
}
