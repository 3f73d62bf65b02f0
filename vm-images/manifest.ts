import { z } from "zod";
import { loginSchema, pattern, serialsSchema } from "./login-schema.ts";

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
  login: pattern.optional(),
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
  /** Whose ways the network set-up has on the wire. */
  network: z.enum(["linux", "windows"]).default("linux"),
});

/** A guest that is a program of sanlab's own, made whenever it is asked for. */
const programSource = z.discriminatedUnion("program", [
  z.strictObject({ kind: z.literal("program"), program: z.literal("ibft-dump") }),
  z.strictObject({
    kind: z.literal("program"),
    program: z.literal("kd-probe"),
    /** How its boot ends. */
    end: z.enum(["login", "bugcheck", "stall", "dead"]).optional(),
    /** The version of sanbootconf whose words it uses. */
    wording: z.enum(["0.9", "1.2"]).optional(),
  }),
]);

const fileSource = z.strictObject({
  kind: z.literal("file"),
  /** A disk image, raw or in a format that QEMU knows; relative to the folder of its guest.yaml. */
  path: z.string(),
  /** Checksum of the whole image, where its owner gives one. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/u)
    .optional(),
});

/** A guest that nobody may hand on: whoever boots it names an image of their own. */
const providedSource = z.strictObject({
  kind: z.literal("provided"),
  /** What the image has to be, for the message where there is none. */
  what: z.string(),
});

const guestSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/u, "lower-case letters, digits, dots and dashes"),
  title: z.string(),
  licence: z.string(),
  source: z.discriminatedUnion("kind", [recipeSource, programSource, fileSource, providedSource]),
  /** Firmware kinds that the disk boots on. */
  firmware: z.array(z.enum(["bios", "uefi"])).nonempty(),
  /** The least memory that the guest boots with. */
  memoryMiB: z.int().min(16),
  /** Size of the disk; absent where the image decides. */
  diskMiB: z.int().min(16).optional(),
  console: z.strictObject({ device: z.string(), baud: z.int().positive() }).optional(),
  /** Words that the guest obeys when it finds them in QEMU's fw_cfg item of that name. */
  requests: z.strictObject({ fwCfg: z.string(), words: z.array(z.string()) }).optional(),
  markers: markersSchema.default({}),
  serials: serialsSchema.default(["console"]),
  login: loginSchema.prefault({}),
  /** Seconds that a boot may take under KVM where its scenario does not say; five times that under TCG. */
  bootSeconds: z.int().positive().max(17_280).optional(),
  /** QEMU's processor under TCG, for a system that needs more than its default. */
  tcgCpu: z
    .string()
    .regex(/^[\w.-]+(,[+-][\w.-]+)*$/u, "a processor of QEMU's, such as Nehalem")
    .optional(),
  /** What the guest takes the clock of the machine for; Windows wants the local time. */
  clock: z.enum(["utc", "localtime"]).optional(),
  /** What has to be on the disk for the boot to make sense; looked at before anything starts. */
  disk: z
    .strictObject({
      /** File systems of which one partition must have one. */
      filesystems: z.array(z.enum(["ntfs", "fat"])).nonempty(),
    })
    .optional(),
});

export const manifestSchema = guestSchema.check((context) => {
  const { markers, serials, login } = context.value;
  const used = new Set(login.signals.flat());
  const fail = (path: readonly string[], message: string) =>
    context.issues.push({ code: "custom", path: [...path], message, input: context.value });
  if (used.has("marker") && markers.login === undefined)
    fail(["markers"], "the login signal `marker` needs a pattern: markers.login");
  for (const [signal, port] of [
    ["processes", "kd"],
    ["modules", "kd"],
    ["ems", "ems"],
  ] as const)
    if (used.has(signal) && !serials.includes(port))
      fail(["login"], `the login signal \`${signal}\` needs a serial port: serials: [${port}]`);
});

export type GuestManifest = Readonly<z.infer<typeof manifestSchema>>;
export type GuestMarkers = GuestManifest["markers"];
export type GuestSource = GuestManifest["source"];
export type ProgramSource = z.infer<typeof programSource>;
export type RecipeSource = z.infer<typeof recipeSource>;
export type Firmware = GuestManifest["firmware"][number];
