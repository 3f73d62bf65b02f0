import { z } from "zod";
import { parseChecked } from "./checked-yaml.ts";
import type { LintContext } from "./lint-scene.ts";
import { BlockFlag, ChapType, Origin } from "./model.ts";
import type { IbftSpec } from "./spec.ts";
import { ipBytes, lunHex, macBytes, pciAddress, pciLocation } from "./values.ts";

const u8 = z.int().min(0).max(0xff);
const u16 = z.int().min(0).max(0xffff);
const text = (kind: string, parse: (value: string) => unknown) =>
  z.string().refine((value) => parse(value) !== undefined, {
    error: ({ input }) => `"${String(input)}" is not ${kind}`,
  });
const ip = text("an IPv4 or IPv6 address", ipBytes).nullable();
const mac = text("a MAC address", macBytes);
const pci = text("a PCI location like 00:02.0", pciLocation);
const machinePci = text("a PCI location like 00:02.0 or 0001:00:02.0", pciAddress);

const FLAGS = {
  valid: BlockFlag.Valid,
  "boot-selected": BlockFlag.BootSelected,
  global: BlockFlag.GlobalAddress,
  "radius-chap": BlockFlag.RadiusChap,
  "radius-reverse-chap": BlockFlag.RadiusReverseChap,
} as const;
const flags = u8.or(
  z
    .array(z.enum(["valid", "boot-selected", "global", "radius-chap", "radius-reverse-chap"]))
    .transform((names) => names.reduce((sum, name) => sum | FLAGS[name], 0)),
);
const ORIGINS = {
  other: Origin.Other,
  manual: Origin.Manual,
  "well-known": Origin.WellKnown,
  dhcp: Origin.Dhcp,
  ra: Origin.RouterAdvertisement,
} as const;
const origin = u8.or(
  z.enum(["other", "manual", "well-known", "dhcp", "ra"]).transform((name) => ORIGINS[name]),
);
const CHAP_TYPES = { none: ChapType.None, "one-way": ChapType.OneWay, mutual: ChapType.Mutual } as const;
const chapType = u8.or(z.enum(["none", "one-way", "mutual"]).transform((name) => CHAP_TYPES[name]));
const lun = z.union([z.int(), z.string()]).refine((value) => lunHex(value) !== undefined, {
  error: "a LUN's number to 16383, or its 16 hexadecimal digits",
});

const block = { offset: u16, version: u8, length: u16, index: u8, flags } as const;

/** A specification as a file has it; scenarios take it, too. */
/** The keys of a specification file, for files of which such a specification is a part. */
export const ibftSpecSchema = z.strictObject({
  signature: z.string().max(4).optional(),
  revision: u8.optional(),
  oemId: z.string().max(6).optional(),
  oemTableId: z.string().max(8).optional(),
  layout: z.enum(["ipxe", "edk2", "packed"]).optional(),
  control: z
    .strictObject({ ...block, extensions: u16 })
    .partial()
    .optional(),
  initiator: z
    .strictObject({ ...block, name: z.string().nullable(), isns: ip, slp: ip, radius1: ip, radius2: ip })
    .partial()
    .nullable()
    .optional(),
  nics: z
    .array(
      z
        .strictObject({
          ...block,
          ip,
          prefix: u8,
          origin,
          gateway: ip,
          dns1: ip,
          dns2: ip,
          dhcp: ip,
          vlan: u16,
          mac,
          pci,
          hostname: z.string().nullable(),
        })
        .partial(),
    )
    .optional(),
  targets: z
    .array(
      z
        .strictObject({
          ...block,
          ip,
          port: u16,
          lun,
          chapType,
          nic: u8,
          name: z.string().nullable(),
          chapName: z.string().nullable(),
          chapSecret: z.string().nullable(),
          reverseChapName: z.string().nullable(),
          reverseChapSecret: z.string().nullable(),
        })
        .partial(),
    )
    .optional(),
  extensions: z.array(z.strictObject({ ...block, id: u8, data: z.hex() }).partial()).optional(),
  quirks: z
    .strictObject({
      fields: z.record(z.string(), z.union([z.number(), z.string(), z.null()])).optional(),
      bytes: z.array(z.strictObject({ at: z.int().min(0), hex: z.hex() })).optional(),
      checksum: z.enum(["right", "wrong"]).or(u8).optional(),
    })
    .optional(),
});

const contextSchema = z.strictObject({
  firmware: z.enum(["bios", "uefi"]).optional(),
  address: z.int().min(0).optional(),
  acpi: z.boolean().optional(),
  tables: z.int().min(0).optional(),
  baseMemory: z.int().min(0).max(640).optional(),
  memoryMap: z
    .array(
      z.strictObject({
        from: z.int().min(0),
        to: z.int().min(0),
        kind: z.enum(["usable", "reserved", "acpi"]),
      }),
    )
    .optional(),
  intact: z.boolean().optional(),
  console: z.string().optional(),
  script: z.string().optional(),
  paths: z
    .array(
      z.strictObject({
        ip: ip.unwrap(),
        name: z.string().optional(),
        state: z.enum(["up", "down", "aborted"]).default("up"),
      }),
    )
    .optional(),
  initiator: z.string().optional(),
  nics: z
    .array(
      z.strictObject({ mac, pci: machinePci.optional(), ip: ip.unwrap().optional(), vlan: u16.optional() }),
    )
    .optional(),
  installedOn: mac.optional(),
  target: z
    .strictObject({ asksChap: z.boolean().optional(), redirectedFrom: ip.unwrap().optional() })
    .optional(),
  gateways: z.record(z.string(), z.enum(["alive", "dead"])).optional(),
});

/** A specification of a table in YAML; throws a UsageError (`IBFT_SPEC`) that names file, line and column. */
export function parseIbftSpec(yaml: string, file: string): IbftSpec {
  return parseChecked(yaml, file, ibftSpecSchema, "IBFT_SPEC");
}

/** What is known of machine and network, in YAML, for the lint; throws a UsageError (`IBFT_NETWORK`). */
export function parseLintContext(yaml: string, file: string): LintContext {
  return parseChecked(yaml, file, contextSchema, "IBFT_NETWORK");
}
