import { z } from "zod";
import { ibftSpecSchema } from "#ibft";

/** Controllers that the boot firmware drives and that guests, as a rule, have no driver for. */
const biosControllers = [
  "ide",
  "ahci",
  "lsi53c895a",
  "am53c974",
  "dc390",
  "megasas",
  "megasas-gen2",
  "mptsas1068",
  "pvscsi",
] as const;
const eitherControllers = ["nvme", "virtio-blk", "virtio-scsi", "usb-storage"] as const;

export const emulatedSchema = z.strictObject({
  controller: z
    .enum([...biosControllers, ...eitherControllers])
    .optional()
    .describe(
      "What the firmware's disk hangs on: lsi53c895a on a BIOS and nvme under UEFI when left out; the guest must have no driver for it; ide cannot be unplugged",
    ),
});

const carriers = ["rom", "rom-static", "acpi", "memory"] as const;

const carried = {
  carrier: z
    .enum(carriers)
    .optional()
    .describe(
      "How the table comes into the machine: an option ROM that copies it, one that holds it, ACPI, or put into memory",
    ),
  address: z
    .int()
    .min(0)
    .max(0xffff_ffff)
    .optional()
    .describe("Where an option ROM copies it, or where it is put into memory"),
} as const;

/**
 * The table of an emulated boot: what is written here stands in place of what the session and the machine say. NICs and
 * targets are matched by position; further ones are added.
 */
export const ibftSchema = ibftSpecSchema.extend({
  ...carried,
  also: z
    .array(ibftSpecSchema.extend(carried))
    .max(3)
    .default([])
    .describe("Further tables, each from the same facts"),
});

export type Carrier = (typeof carriers)[number];
export type TableWish = Omit<z.output<typeof ibftSchema>, "also">;

const secret = z
  .string()
  .refine((text) => Buffer.byteLength(text) >= 12, "a CHAP secret has 12 bytes or more");
const user = z.string().min(1).max(223);

/** Names without a secret take it from the environment, so that a scenario file need not hold one. */
export const chapSchema = z
  .union([
    z.enum(["none", "one-way", "mutual"]),
    z.strictObject({
      user,
      secret: secret.optional(),
      mutual: z.strictObject({ user, secret: secret.optional() }).optional(),
    }),
  ])
  .default("none")
  .describe("How the target wants logins: with secrets that each run makes up, or with those given");

export type ChapWish = z.output<typeof chapSchema>;

interface Settings {
  readonly firmware: "ipxe" | "emulated";
  readonly uefi: boolean;
  readonly addresses: "ipv4" | "ipv6";
  readonly gateway: "none" | "answers" | "silent";
  readonly emulated?: z.output<typeof emulatedSchema> | undefined;
  readonly ibft?: z.output<typeof ibftSchema> | undefined;
}

interface Contradiction {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What no single setting gets wrong. */
export function contradictions(settings: Settings): readonly Contradiction[] {
  const { firmware, uefi, addresses, gateway, emulated, ibft } = settings;
  const found: Contradiction[] = [];
  const say = (message: string, ...path: readonly (string | number)[]) => found.push({ path, message });
  if (gateway !== "none" && addresses === "ipv6") say("is an IPv4 address; take addresses: ipv4", "gateway");
  if (firmware === "ipxe") {
    const own = "is for firmware: emulated; iPXE writes its own table";
    if (ibft !== undefined) say(own, "ibft");
    if (emulated !== undefined) say(own, "emulated");
    if (addresses === "ipv6") say("ipv6 is for firmware: emulated", "addresses");
    return found;
  }
  const { controller } = emulated ?? {};
  if (uefi && biosControllers.some((one) => one === controller)) {
    say(`OVMF drives ${eitherControllers.join(", ")} only`, "emulated", "controller");
  }
  const tables = ibft === undefined ? [] : [ibft, ...ibft.also];
  for (const [index, table] of tables.entries()) {
    const path = index === 0 ? ["ibft"] : ["ibft", "also", index - 1];
    const carrier = table.carrier ?? defaultCarrier(uefi);
    if (carrier === "acpi" && (table.quirks?.checksum ?? "right") !== "right") {
      say("QEMU repairs the checksum of an ACPI table; take carrier: rom", ...path, "quirks", "checksum");
    }
    if (table.address !== undefined && carrier !== "rom" && carrier !== "memory") {
      say(`has no say in a table carried by ${carrier}; take rom or memory`, ...path, "address");
    }
    if (table.address === undefined && carrier === "memory") {
      say("carrier: memory needs an address, as 0x9e000", ...path);
    }
  }
  return found;
}

/** Where an operating system looks on such a machine. */
export function defaultCarrier(uefi: boolean): Carrier {
  return uefi ? "acpi" : "rom";
}
