import { closeSync, constants, openSync } from "node:fs";
import { getSystemErrorName } from "node:util";
import { LabError, errorCode } from "#core";
import { systemCalls, type SystemCalls } from "./system-calls.ts";

export const TUN_DEVICE = "/dev/net/tun";

export interface TapOptions {
  /** At most 15 bytes; `%d` in it is replaced by the first free number. Default `tap%d`. */
  readonly name?: string;
  /** Largest payload of a frame in bytes, without the Ethernet header. Default: the kernel's 1500. */
  readonly mtu?: number;
  /** A 10-byte virtio_net_hdr goes before each frame: what QEMU wants for offloads. Default false. */
  readonly vnetHeader?: boolean;
}

/** An open TAP device. The interface exists until the last descriptor of it is closed. */
export interface Tap extends Disposable {
  readonly name: string;
  /** The interface's own address, that of the host's end, as `02:ab:…`. */
  readonly mac: string;
  /** Non-blocking and close-on-exec: it reaches a child only where it is named in its `stdio`. */
  readonly fd: number;
  readonly vnetHeader: boolean;
  /** Closes this process's descriptor, for instance after a child got its own. Harmless when repeated. */
  close(): void;
}

const TUNSETIFF = 0x4004_54ca;
const SIOCSIFMTU = 0x8922;
const SIOCGIFHWADDR = 0x8927;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFNAMSIZ = 16;

/**
 * Makes a TAP device (Linux, Documentation/networking/tuntap.rst) in the network namespace of this process.
 *
 * @throws LabError `TUN_UNAVAILABLE` (no usable /dev/net/tun), `TAP_REFUSED` (no right to make one), `TAP_NAME_IN_USE`,
 *   `KOFFI_MISSING`; TypeError for a name that no interface can have.
 */
export async function openTap(options: TapOptions = {}): Promise<Tap> {
  const name = options.name ?? "tap%d";
  if (!/^[^\s/]{1,15}$/.test(name) || Buffer.byteLength(name) >= IFNAMSIZ) {
    throw new TypeError(
      `openTap: ${JSON.stringify(name)} cannot name an interface (1 to 15 bytes, no blank, no slash)`,
    );
  }
  const calls = await systemCalls();
  const fd = openTunDevice();
  try {
    const flags = IFF_TAP | IFF_NO_PI | (options.vnetHeader ? IFF_VNET_HDR : 0);
    const request = interfaceRequest(name);
    request.writeUInt16LE(flags, IFNAMSIZ);
    if (calls.ioctl(fd, TUNSETIFF, request) < 0) throw refusal(name, calls.errno());
    const actual = request.toString("latin1", 0, request.indexOf(0));
    if (options.mtu !== undefined) setMtu(calls, actual, options.mtu);
    return tap(fd, actual, macOf(calls, fd, actual), options.vnetHeader ?? false);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function tap(fd: number, name: string, mac: string, vnetHeader: boolean): Tap {
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    closeSync(fd);
  };
  return { name, mac, fd, vnetHeader, close, [Symbol.dispose]: close };
}

function openTunDevice(): number {
  try {
    return openSync(TUN_DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    const code = errorCode(error);
    const cure =
      code === "EACCES" || code === "EPERM"
        ? `this user may not open it; 'chmod 666 ${TUN_DEVICE}' as root allows it (the kernel still asks for rights over the network)`
        : "load the driver with 'modprobe tun' as root, or give the container the device";
    throw new LabError("TUN_UNAVAILABLE", `cannot open ${TUN_DEVICE} (${code}): ${cure}`, {
      cause: error,
      details: { reason: code },
    });
  }
}

/** `struct ifreq`: 16 bytes of name, 24 of union. */
function interfaceRequest(name: string): Buffer {
  const request = Buffer.alloc(40);
  request.write(name, "latin1");
  return request;
}

function refusal(name: string, errno: number): LabError {
  const reason = getSystemErrorName(-errno);
  const details = { reason, interface: name };
  if (reason === "EBUSY") {
    return new LabError(
      "TAP_NAME_IN_USE",
      `the TAP device ${name} is in use by another process: choose another name`,
      {
        details,
      },
    );
  }
  if (reason === "EPERM") {
    return new LabError(
      "TAP_REFUSED",
      `this process may not make the TAP device ${name} (EPERM): run inside a private network namespace or as root`,
      { details },
    );
  }
  // EBADFD and ENOTTY come from something that is not the tun driver's device.
  return new LabError(
    "TUN_UNAVAILABLE",
    `${TUN_DEVICE} does not make the TAP device ${name} (${reason}): it must be the tun driver's device, 'mknod ${TUN_DEVICE} c 10 200'`,
    { details },
  );
}

function setMtu(calls: SystemCalls, name: string, mtu: number): void {
  const AF_INET = 2;
  const SOCK_DGRAM_CLOEXEC = 0x8_0002;
  const socket = calls.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  if (socket < 0) throw new LabError("TAP_REFUSED", `no socket to set the MTU of ${name} through`);
  try {
    const request = interfaceRequest(name);
    request.writeInt32LE(mtu, IFNAMSIZ);
    if (calls.ioctl(socket, SIOCSIFMTU, request) < 0) {
      const reason = getSystemErrorName(-calls.errno());
      if (reason === "EINVAL") throw new TypeError(`openTap: ${name} cannot have an MTU of ${mtu} bytes`);
      throw new LabError("TAP_REFUSED", `the MTU of ${name} cannot be set to ${mtu} (${reason})`);
    }
  } finally {
    closeSync(socket);
  }
}

function macOf(calls: SystemCalls, fd: number, name: string): string {
  const request = interfaceRequest(name);
  if (calls.ioctl(fd, SIOCGIFHWADDR, request) < 0) {
    throw new LabError(
      "TAP_REFUSED",
      `${name} does not tell its address: ${getSystemErrorName(-calls.errno())}`,
    );
  }
  return [...request.subarray(18, 24)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
