import { UsageError } from "#core";
import { hostRange, ipv4, networkOf } from "../ipv4.ts";
import { normalizeMac } from "../mac-address.ts";
import type { Wire } from "../wire.ts";
import type { DhcpConfig, DhcpRange, DhcpReservation } from "./config.ts";
import { LeasePool, type AddressRange } from "./lease-pool.ts";
import type { DhcpOptionValues } from "./options.ts";

/** One IPv4 subnet that addresses are given out in. */
export interface Subnet {
  readonly network: number;
  readonly prefixLength: number;
  readonly pool: LeasePool;
  readonly options: DhcpOptionValues;
}

/** A whole /8 would take minutes to search and tells nothing more than its beginning. */
const LARGEST_POOL = 65_536;

/** The subnets of all wires and of all ranges behind relays. */
export function buildSubnets(
  wires: readonly Wire[],
  config: DhcpConfig,
  now: () => number,
): readonly Subnet[] {
  const excluded = new Set(wires.map((wire) => wire.ip));
  for (const { address, mac } of config.reservations ?? []) {
    if (address !== undefined) excluded.add(ipv4(address, `reservation of ${mac}`));
  }

  const drafts = new Map<string, Draft>();
  const draftOf = (network: number, prefixLength: number): Draft => {
    const key = `${network}/${prefixLength}`;
    const draft = drafts.get(key) ?? { network, prefixLength, ranges: [], options: {} };
    drafts.set(key, draft);
    return draft;
  };
  for (const wire of wires) draftOf(wire.network, wire.prefixLength);
  for (const range of config.pool ?? []) {
    const { first, last, prefixLength } = checkRange(range, wires);
    const draft = draftOf(networkOf(first, prefixLength), prefixLength);
    draft.ranges.push({ first, last });
    draft.options = { ...draft.options, ...range.options };
  }

  return [...drafts.values()].map(({ network, prefixLength, ranges, options }) => {
    const chosen =
      ranges.length > 0 || config.pool !== undefined ? ranges : [wholeSubnet(network, prefixLength)];
    return { network, prefixLength, options, pool: new LeasePool(chosen, excluded, now) };
  });
}

/** The reservations by hardware address. */
export function indexReservations(config: DhcpConfig): ReadonlyMap<string, DhcpReservation> {
  const byMac = new Map<string, DhcpReservation>();
  const byAddress = new Map<string, string>();
  for (const reservation of config.reservations ?? []) {
    const mac = normalizeMac(reservation.mac);
    if (byMac.has(mac)) {
      throw new UsageError("DUPLICATE_RESERVATION", `DHCP: two reservations for ${mac}; leave one`);
    }
    byMac.set(mac, reservation);
    const { address } = reservation;
    if (address === undefined) continue;
    const other = byAddress.get(address);
    if (other !== undefined) {
      throw new UsageError(
        "DUPLICATE_RESERVATION",
        `DHCP: ${address} is reserved for ${other} and for ${mac}`,
      );
    }
    byAddress.set(address, mac);
  }
  return byMac;
}

interface Draft {
  readonly network: number;
  readonly prefixLength: number;
  readonly ranges: AddressRange[];
  options: DhcpOptionValues;
}

function wholeSubnet(network: number, prefixLength: number): AddressRange {
  const { first, last } = hostRange(network, prefixLength);
  return { first, last: Math.min(last, first + LARGEST_POOL - 1) };
}

function checkRange(
  range: DhcpRange,
  wires: readonly Wire[],
): AddressRange & { readonly prefixLength: number } {
  const first = ipv4(range.first, "DHCP pool");
  const last = ipv4(range.last, "DHCP pool");
  const text = `${range.first}-${range.last}`;
  const wire = wires.find((wire) => networkOf(first, wire.prefixLength) === wire.network);
  const prefixLength = range.prefixLength ?? wire?.prefixLength;
  if (prefixLength === undefined) {
    throw new UsageError(
      "BAD_POOL",
      `DHCP pool ${text} lies on none of the interfaces; correct it, or give its prefix length where it is behind a relay`,
    );
  }
  if (last < first || networkOf(last, prefixLength) !== networkOf(first, prefixLength)) {
    throw new UsageError("BAD_POOL", `DHCP pool ${text} is no range within one /${prefixLength} subnet`);
  }
  if (last - first >= LARGEST_POOL) {
    throw new UsageError(
      "BAD_POOL",
      `DHCP pool ${text} has more than ${LARGEST_POOL} addresses; make it smaller`,
    );
  }
  return { first, last, prefixLength };
}
