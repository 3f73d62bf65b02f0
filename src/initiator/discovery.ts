import type { TextKey } from "ts-iscsi-pdu";
import { Session } from "./session.ts";
import type { DiscoveryOptions } from "./session-options.ts";
import { formatPortal, parsePortal, type Portal } from "./url.ts";

export interface DiscoveredPortal extends Portal {
  /** Target portal group: connections of one session must share it. */
  readonly tag?: number;
}

export interface DiscoveredTarget {
  readonly name: string;
  readonly portals: readonly DiscoveredPortal[];
}

/**
 * Asks a portal for its targets (SendTargets=All, RFC 7143 Appendix C). A target without an address is reached where
 * it was asked for.
 */
export async function discover(options: DiscoveryOptions): Promise<readonly DiscoveredTarget[]> {
  await using session = await Session.discovery(options);
  const answer = await session.negotiate(
    [["SendTargets", "All"]],
    options.signal && { signal: options.signal },
  );
  return readTargets(answer, session.portal, (address) =>
    options.report?.("deviation", {
      section: "13.8",
      field: "TargetAddress",
      got: address,
      portal: formatPortal(session.portal),
    }),
  );
}

/** Groups the keys of a SendTargets answer; `unreadable` is told of addresses that cannot be understood. */
function readTargets(
  keys: readonly TextKey[],
  asked: Portal,
  unreadable: (address: string) => void = () => undefined,
): readonly DiscoveredTarget[] {
  const targets: { name: string; portals: DiscoveredPortal[] }[] = [];
  for (const [key, value] of keys) {
    const last = targets.at(-1);
    if (key === "TargetName") targets.push({ name: value, portals: [] });
    if (key !== "TargetAddress" || last === undefined) continue;
    const portal = parsePortal(value);
    if (portal === undefined) unreadable(value);
    else last.portals.push(portal);
  }
  return targets.map(({ name, portals }) => ({ name, portals: portals.length === 0 ? [asked] : portals }));
}
