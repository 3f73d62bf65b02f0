import { lunHex, pciAddress, pciText } from "./values.ts";
import type { IbftSpec, NicSpec, TargetSpec } from "./spec.ts";

/** Files below /sys/firmware/ibft by their path (`ethernet0/mac`), with what they hold; links by where they lead. */
export type SysfsFiles = ReadonlyMap<string, string>;

/**
 * The table that Linux' iscsi_ibft shows, as what to write to have it again. What the kernel hides is taken for zero:
 * absent addresses, offsets, versions. A LUN's bytes are shown without zero padding, so that those of more than one digit
 * are taken for the first ones; the location of a NIC is that of its `device` link.
 */
export function specFromSysfs(files: SysfsFiles): IbftSpec {
  const folder = (name: string) => new Folder(files, name);
  const header = folder("acpi_header");
  const initiator = folder("initiator");
  return {
    signature: header.text("signature") ?? "iBFT",
    oemId: header.text("oem_id") ?? "",
    oemTableId: header.text("oem_table_id") ?? "",
    initiator: initiator.exists ? { ...initiator.head, ...initiatorOf(initiator) } : null,
    nics: numbered(files, "ethernet").map((name) => nicOf(folder(name))),
    targets: numbered(files, "target").map((name) => targetOf(folder(name))),
  };
}

function initiatorOf(folder: Folder) {
  return {
    name: folder.text("initiator-name"),
    isns: folder.address("isns-server"),
    slp: folder.address("slp-server"),
    radius1: folder.address("pri-radius-server"),
    radius2: folder.address("sec-radius-server"),
  };
}

function nicOf(folder: Folder): NicSpec {
  return {
    ...folder.head,
    ip: folder.address("ip-addr"),
    prefix: folder.number("prefix-len") ?? prefixOf(folder.text("subnet-mask")),
    origin: folder.number("origin") ?? 0,
    gateway: folder.address("gateway"),
    dns1: folder.address("primary-dns"),
    dns2: folder.address("secondary-dns"),
    dhcp: folder.address("dhcp"),
    vlan: folder.number("vlan") ?? 0,
    mac: folder.text("mac") ?? "00:00:00:00:00:00",
    pci: locationOf(folder.text("device")),
    hostname: folder.text("hostname"),
  };
}

function targetOf(folder: Folder): TargetSpec {
  return {
    ...folder.head,
    ip: folder.address("ip-addr"),
    port: folder.number("port") ?? 0,
    lun: lunOf(folder.text("lun") ?? "0"),
    chapType: folder.number("chap-type") ?? 0,
    nic: folder.number("nic-assoc") ?? 0,
    name: folder.text("target-name"),
    chapName: folder.text("chap-name"),
    chapSecret: folder.text("chap-secret"),
    reverseChapName: folder.text("rev-chap-name"),
    reverseChapSecret: folder.text("rev-chap-name-secret"),
  };
}

class Folder {
  readonly #files: SysfsFiles;
  readonly #name: string;

  constructor(files: SysfsFiles, name: string) {
    this.#files = files;
    this.#name = name;
  }

  get exists(): boolean {
    return [...this.#files.keys()].some((path) => path.startsWith(`${this.#name}/`));
  }

  get head() {
    return { index: this.number("index") ?? 0, flags: this.number("flags") ?? 0 };
  }

  /** Null where the kernel hides the file. */
  text(file: string): string | null {
    return this.#files.get(`${this.#name}/${file}`)?.replace(/\n$/, "") ?? null;
  }

  number(file: string): number | undefined {
    const text = this.text(file);
    return text === null || !/^\d+$/.test(text) ? undefined : Number(text);
  }

  address(file: string): string | null {
    const text = this.text(file);
    return text === null || /^[0.:]*$/.test(text) ? null : text;
  }
}

function numbered(files: SysfsFiles, kind: string): readonly string[] {
  const names = [...files.keys()].flatMap((path) => new RegExp(`^(${kind}\\d+)/`).exec(path)?.[1] ?? []);
  return [...new Set(names)].toSorted((a, b) => Number(a.slice(kind.length)) - Number(b.slice(kind.length)));
}

/** Bits of a subnet mask such as 255.255.240.0. */
function prefixOf(mask: string | null): number {
  const bits = (mask ?? "").split(".").map((byte) => Number(byte).toString(2).replaceAll("0", "").length);
  return mask === null ? 0 : bits.reduce((sum, count) => sum + count, 0);
}

function lunOf(text: string): string {
  const digits = text.toLowerCase();
  const bytes: string[] = [];
  let at = 0;
  for (let left = 8; left > 0; left--) {
    // A byte of two digits never begins with 0.
    const size = digits.length - at > left && digits[at] !== "0" ? 2 : 1;
    bytes.push(digits.slice(at, at + size).padStart(2, "0"));
    at += size;
  }
  return lunHex(bytes.join("")) ?? "0".repeat(16);
}

/** The last part of a path like `../../../devices/pci0000:00/0000:00:02.0`. */
function locationOf(link: string | null): string {
  return pciText(pciAddress(link?.split("/").at(-1) ?? "")?.location ?? 0);
}
