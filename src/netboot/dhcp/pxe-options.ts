import { encodeEncapsulated, readEncapsulated } from "./encapsulated.ts";
import type { OptionTable } from "./options.ts";
import type { ReplyFacts } from "./reply-options.ts";

/** PXE's own options, encapsulated in option 43 where the vendor class is PXEClient (PXE 2.1 table 2-1). */
const PXE_OPTIONS = {
  discoveryControl: { code: 6, type: "uint8" },
  bootItem: { code: 71, type: "bytes" },
} as const satisfies OptionTable;

/** Discovery control, bit 3: load the file named in the offer; no menu, no search for boot servers. */
const USE_OFFERED_FILE = 0x08;

/**
 * What turns an answer into one for network-boot firmware: the vendor class, which it only trusts when echoed, its
 * UUID, and for PXE the word to take the named file at once. Nothing of it without a boot file: PXE firmware would
 * go and look for a boot server, seconds long.
 */
export function bootFirmwareOptions({ client, request, boot }: ReplyFacts): ReadonlyMap<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  if (!client.firmware || !boot) return options;
  options.set(60, Buffer.from(client.firmware === "pxe" ? "PXEClient" : "HTTPClient"));
  const uuid = request.options.get(97);
  if (uuid) options.set(97, uuid);
  if (client.firmware === "pxe") {
    // A client that chose a boot server wants its choice repeated (PXE 2.1 §2.2.5).
    const bootItem = readEncapsulated(request.options.get(43) ?? new Uint8Array())?.get(71);
    const control = encodeEncapsulated(PXE_OPTIONS, {
      discoveryControl: USE_OFFERED_FILE,
      ...(bootItem && { bootItem }),
    });
    options.set(43, Buffer.concat([control, Uint8Array.of(255)]));
  }
  return options;
}
