import { errorMessage } from "#core";
import { z } from "zod";

const pattern = z.string().check((context) => {
  try {
    RegExp(context.value, "u");
  } catch (error) {
    context.issues.push({ code: "custom", message: errorMessage(error), input: context.value });
  }
});

/**
 * What a guest writes on its serial port at each step, as the source of a regular expression (flag `u`) for one line.
 * Named groups (`mac`, `driver`, `address`, `disk`, `reason`) are facts about the step.
 */
const markersSchema = z.strictObject({
  bootLoader: pattern.optional(),
  kernelLoaded: pattern.optional(),
  kernelStarted: pattern.optional(),
  ibftFound: pattern.optional(),
  ibftMissing: pattern.optional(),
  initStarted: pattern.optional(),
  nicUp: pattern.optional(),
  nicMissing: pattern.optional(),
  iscsiLogin: pattern.optional(),
  diskArrived: pattern.optional(),
  rootMounted: pattern.optional(),
  userland: pattern.optional(),
  /** The guest reached its goal: it asks somebody to log in. */
  login: pattern,
  /** The guest gave up and stays where it is. */
  stopped: pattern.optional(),
  panic: pattern.optional(),
});

const recipeSource = z.strictObject({
  kind: z.literal("recipe"),
  /** The folder of vm-images that holds the recipe. */
  recipe: z.literal("debian-mini"),
  /** Debian packages that the image is made of; their libraries come along by themselves. */
  packages: z.array(z.string()).nonempty(),
  /** Kernel modules of network interfaces that the initramfs carries, with what they depend on. */
  nicDrivers: z.array(z.string()),
});

const fileSource = z.strictObject({
  kind: z.literal("file"),
  /** A raw disk image; relative to the folder of its guest.yaml. */
  path: z.string(),
  /** Checksum of the whole image, where its owner gives one. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/u)
    .optional(),
});

export const manifestSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/u, "lower-case letters, digits, dots and dashes"),
  title: z.string(),
  licence: z.string(),
  source: z.discriminatedUnion("kind", [recipeSource, fileSource]),
  /** Firmware kinds that the disk boots on. */
  firmware: z.array(z.enum(["bios", "uefi"])).nonempty(),
  /** The least memory that the guest boots with. */
  memoryMiB: z.int().min(16),
  /** Size of the disk; absent where the image decides. */
  diskMiB: z.int().min(16).optional(),
  console: z.strictObject({ device: z.string(), baud: z.int().positive() }).optional(),
  /** Words that the guest obeys when it finds them in QEMU's fw_cfg item of that name. */
  requests: z.strictObject({ fwCfg: z.string(), words: z.array(z.string()) }).optional(),
  markers: markersSchema,
});

export type GuestManifest = Readonly<z.infer<typeof manifestSchema>>;
export type GuestMarkers = GuestManifest["markers"];
export type GuestSource = GuestManifest["source"];
export type RecipeSource = z.infer<typeof recipeSource>;
export type Firmware = GuestManifest["firmware"][number];
