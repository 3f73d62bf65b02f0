export interface UserNetworkOptions {
  /** Folder that QEMU's own TFTP server offers. */
  readonly tftpFolder?: string;
  /** File name in that folder which its DHCP server tells the guest to boot, such as an iPXE script. */
  readonly bootFile?: string;
  /** TCP ports of the guest, and where on the machine's loopback they are reached. */
  readonly forwards?: readonly { readonly guestPort: number; readonly hostPort: number }[];
  /** The guest's host name, by DHCP. */
  readonly hostname?: string;
}

export interface UserNetwork {
  /** What `hostAddress` reaches: the machine's own loopback, where the target has to listen. */
  readonly listenAddress: "127.0.0.1";
  /** The address under which the guest finds what listens on the machine's loopback. */
  readonly hostAddress: string;
  readonly guestAddress: string;
  readonly dnsAddress: string;
  /** The options of QEMU's `-netdev user`. */
  readonly options: Readonly<Record<string, string | readonly string[]>>;
  /** One sentence for the first line of a run: what this network is and what it cannot do. */
  readonly limits: string;
}

/**
 * QEMU's built-in user-mode network (slirp): no TAP device, no privilege. The guest's TCP connections are made again by QEMU
 * as ordinary sockets of this machine.
 */
export function userNetwork(options: UserNetworkOptions = {}): UserNetwork {
  return {
    listenAddress: "127.0.0.1",
    hostAddress: "10.0.2.2",
    guestAddress: "10.0.2.15",
    dnsAddress: "10.0.2.3",
    options: {
      net: "10.0.2.0/24",
      host: "10.0.2.2",
      dhcpstart: "10.0.2.15",
      dns: "10.0.2.3",
      ...(options.tftpFolder === undefined ? {} : { tftp: options.tftpFolder }),
      ...(options.bootFile === undefined ? {} : { bootfile: options.bootFile }),
      ...(options.forwards === undefined || options.forwards.length === 0
        ? {}
        : {
            hostfwd: options.forwards.map(
              ({ guestPort, hostPort }) => `tcp:127.0.0.1:${hostPort}-:${guestPort}`,
            ),
          }),
      ...(options.hostname === undefined ? {} : { hostname: options.hostname }),
    },
    limits:
      "QEMU's user-mode network: e1000 and virtio boot over it, rtl8139 loses too much; " +
      "QEMU answers DHCP and TFTP itself, so there are no DHCP options of ours, no frame faults, one machine a wire",
  };
}
