import type { DhcpOptionValues, IpxeOptionValues } from "./options.ts";

/** Addresses to give out, with what holds for the whole subnet that they lie in. */
export interface DhcpRange {
  readonly first: string;
  readonly last: string;
  /** Needed only for a subnet behind a relay agent, which no interface of this host tells about. */
  readonly prefixLength?: number;
  /** Options for clients of this subnet, e.g. its router. */
  readonly options?: DhcpOptionValues;
}

/** Which boot file a client is told to load. Conditions that are left out hold for every client; the first match wins. */
export interface BootFileRule {
  /** A path for TFTP, or a whole `http://` or `tftp://` URL for iPXE and HTTP boot. */
  readonly file: string;
  /** Only clients that are iPXE already, or only those that are not (as in chain loading). */
  readonly ipxe?: boolean;
  /** Any of these in option 93, see `ClientArchitecture`. */
  readonly architectures?: readonly number[];
  readonly firmware?: "pxe" | "http";
  readonly userClass?: string;
  /** Where the vendor class (option 60) begins with this. */
  readonly vendorClass?: string;
  readonly nextServer?: string;
}

/** What one client, or every client, is told about booting. */
export interface BootSettings {
  /** The boot file for clients that no rule of `bootFiles` matches. */
  readonly bootFile?: string;
  /** The TFTP server; this host unless said otherwise, and only told where there is a boot file. */
  readonly nextServer?: string;
  /** Option 17, e.g. `iscsi:10.0.0.1:::1:iqn.2024-01.example:disk`. */
  readonly rootPath?: string;
  /** Option 203, iPXE's `initiator-iqn`. */
  readonly initiatorName?: string;
  /** Any further option by name. */
  readonly options?: DhcpOptionValues;
  /** Any option by its code; wins over all others. */
  readonly rawOptions?: Readonly<Record<number, Uint8Array>>;
  /**
   * iPXE's own settings (option 175), sent to iPXE only; names and secrets in it are never reported. `noPxedhcp` is on
   * unless said otherwise: set it false where a ProxyDHCP server answers beside this one.
   */
  readonly ipxe?: IpxeOptionValues;
}

/** A client that is known by its hardware address. */
export interface DhcpReservation extends BootSettings {
  readonly mac: string;
  /** Its fixed address; from the pool where left out. */
  readonly address?: string;
  readonly hostName?: string;
}

export interface DhcpConfig extends BootSettings {
  /**
   * `server` (the default) gives out addresses; `proxy` leaves that to another server and only tells PXE firmware
   * what to load (PXE 2.1 §2.2.3), also on port 4011.
   */
  readonly mode?: "server" | "proxy";
  /** Where addresses come from; each interface's whole subnet unless said otherwise. */
  readonly pool?: readonly DhcpRange[];
  readonly reservations?: readonly DhcpReservation[];
  /** Clients without a reservation get no answer. */
  readonly onlyReserved?: boolean;
  /** Default 12 hours: an iBFT hands the address to a system that never renews it. */
  readonly leaseSeconds?: number;
  /** Answer NAK to an address that this server knows nothing of (default), as the only server of a wire should. */
  readonly authoritative?: boolean;
  /**
   * Whose lease it is: the hardware address (default) or option 61. Firmware, boot loader and system on one NIC send
   * different client identifiers, and would else get an address each, though the iBFT passes on the first one's.
   */
  readonly identifyBy?: "hardware-address" | "client-identifier";
  readonly bootFiles?: readonly BootFileRule[];
}
