import { z } from "zod";
import { errorMessage } from "#core";
import { parseIscsiUrl } from "#initiator";
import { phaseIds, type PhaseId } from "#harness/verdict";
import { chapSchema, contradictions, emulatedSchema, ibftSchema } from "./emulated-schema.ts";

const macAddress = z
  .string()
  .regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i, "a MAC address such as 52:54:00:12:34:56");

/** Models of QEMU 7.2 for which its iPXE ROMs exist. */
export const nicModels = ["e1000", "rtl8139", "virtio", "e1000e", "vmxnet3", "pcnet", "ne2k"] as const;

const nicSchema = z.strictObject({
  model: z.enum(nicModels).default("e1000").describe("The emulated network card"),
  mac: macAddress.optional().describe("Its address; made from its position when left out"),
});

const targetUrl = z
  .string()
  .regex(/^iscsi:/, "embedded, tgt, istgt or an iscsi:// URL")
  .check((context) => {
    const fault = context.issues.length > 0 ? undefined : urlFault(context.value);
    if (fault !== undefined) context.issues.push({ code: "custom", message: fault, input: context.value });
  });

const targetSchema = z
  .union([z.enum(["embedded", "tgt", "istgt"]), targetUrl])
  .default("embedded")
  .describe("Who serves the disk: sanlab itself, Debian's tgtd or istgt, or a target that is already there");

function urlFault(text: string): string | undefined {
  try {
    const { target, secret } = parseIscsiUrl(text);
    if (target === undefined) return `${text} names no target; write iscsi://host[:port]/target-iqn/lun`;
    return secret === undefined
      ? undefined
      : "a secret in a URL can be read by everybody on this machine; leave it out";
  } catch (error) {
    return errorMessage(error);
  }
}

const machineSchema = z.strictObject({
  memory: z.int().min(128).max(65_536).default(512).describe("MiB of memory"),
  cpus: z.int().min(1).max(64).default(1).describe("Processors; one boots fastest under TCG"),
  accel: z
    .enum(["auto", "kvm", "tcg"])
    .default("auto")
    .describe("auto probes whether KVM really runs a kernel"),
});

/** `login`, or the phase that has to be reached for the run to pass. */
const reachSchema = z
  .union([z.literal("login"), z.enum(phaseIds as [PhaseId, ...PhaseId[]])])
  .default("login")
  .transform((reach): PhaseId => (reach === "login" ? "P17" : reach));

const scenarioShape = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]{1,80}$/, "letters, digits, dot, dash and underscore only")
    .optional()
    .describe("Names the run; the file's name when left out"),
  guest: z
    .string()
    .min(1)
    .default("debian-mini")
    .describe("A guest of vm-images, or the path of a raw disk image"),
  requests: z
    .array(z.string().regex(/^[\w.-]+$/))
    .default([])
    .describe("What the guest is to do besides booting, in the words of its guest.yaml"),
  image: z
    .string()
    .min(1)
    .optional()
    .describe("The disk image of a guest that everybody has to bring themselves, such as windows"),
  nics: z.array(nicSchema).min(1).max(8).prefault([{}]).describe("The first one boots"),
  firmware: z.enum(["ipxe", "emulated"]).default("ipxe").describe("Who logs in first and leaves the iBFT"),
  uefi: z.boolean().default(false).describe("OVMF instead of SeaBIOS"),
  addresses: z.enum(["ipv4", "ipv6"]).default("ipv4").describe("The family by which the disk is reached"),
  gateway: z
    .enum(["none", "answers", "silent"])
    .default("none")
    .describe(
      "Whether the guest is told of a gateway (10.77.N.254), and whether anybody is there; one that answers sends on what it gets",
    ),
  target: targetSchema,
  chap: chapSchema,
  emulated: emulatedSchema.optional(),
  ibft: ibftSchema.optional(),
  machine: machineSchema.prefault({}),
  expect: z.strictObject({ reach: reachSchema }).prefault({}),
  timeout: z
    .number()
    .positive()
    .max(86_400)
    .optional()
    .describe("Seconds for the whole boot; when left out, a minute under KVM and five under TCG"),
});

/** What to boot and how: the content of a scenario file. */
export const scenarioSchema = scenarioShape.check((context) => {
  for (const { path, message } of contradictions(context.value))
    context.issues.push({ code: "custom", path: [...path], message, input: context.value });
});

/** What somebody wrote. */
export type ScenarioSource = z.input<typeof scenarioSchema>;

/** What to boot and how, complete and checked. */
export type Scenario = Readonly<z.output<typeof scenarioSchema>> & { readonly name: string };
