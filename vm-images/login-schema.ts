import { errorMessage } from "#core";
import { z } from "zod";

/** The source of a regular expression (flag `u`). */
export const pattern = z.string().check((context) => {
  try {
    RegExp(context.value, "u");
  } catch (error) {
    context.issues.push({ code: "custom", message: errorMessage(error), input: context.value });
  }
});

/** What a serial port of the guest is: its text, its kernel debugger, its emergency console (EMS), or nobody's. */
const serialKinds = ["console", "kd", "ems", "unused"] as const;

/** From the first port on, as a PC counts them: COM1, COM2, … */
export const serialsSchema = z
  .array(z.enum(serialKinds))
  .min(1)
  .max(4)
  .check((context) => {
    const used = context.value.filter((kind) => kind !== "unused");
    if (new Set(used).size < used.length)
      context.issues.push({
        code: "custom",
        message: "each of console, kd and ems can be one port only",
        input: context.value,
      });
  });

/**
 * What can say that a guest asks for a login:
 * `marker` its own word (`markers.login`, also in what it prints for the debugger); `modules` drivers that it has loaded;
 * `processes` those in its memory, read in a short stop; `ems` its emergency console says that commands can be given; `tcp` a port
 * of it answers; `settled` its disk has grown quiet; `screen` its picture does not change any more.
 */
const loginSignals = ["marker", "processes", "modules", "ems", "tcp", "settled", "screen"] as const;

export const loginSchema = z.strictObject({
  /** Each item is enough; where an item is a list, all of it is needed. */
  signals: z
    .array(
      z.union([
        z.enum(loginSignals).transform((signal) => [signal]),
        z.array(z.enum(loginSignals)).nonempty(),
      ]),
    )
    .nonempty()
    .default([["marker"]]),
  /** Whole names of processes, without regard to case, all of which are there when somebody can log in. */
  processes: z.array(pattern).nonempty().default(["winlogon\\.exe", "(logonui|userinit|explorer)\\.exe"]),
  /** Whole file names of modules, all of which are loaded by then. */
  modules: z.array(pattern).nonempty().default(["win32k\\.sys"]),
  /** Ports of which one has to answer: 3389 and 5985 in their own protocols, another one by taking a connection. */
  tcp: z.array(z.int().min(1).max(65_535)).nonempty().default([3389, 5985]),
  /** How long the disk has to be quiet and the picture the same. */
  quietSeconds: z.number().min(1).max(600).default(15),
});
