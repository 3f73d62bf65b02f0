import type { Command } from "commander";

/** A command's file exports `command`, which makes the commander command of that name. */
export interface CommandModule {
  readonly command: () => Command;
}

/** All commands, in the order in which `sanlab --help` lists them. */
export const commands = {
  boot: () => import("./boot.ts"),
  report: () => import("./report.ts"),
  ibft: () => import("./ibft.ts"),
  iscsi: () => import("./iscsi.ts"),
  target: () => import("./target.ts"),
  nbd: () => import("./nbd.ts"),
  netboot: () => import("./netboot.ts"),
  kd: () => import("./kd.ts"),
  doctor: () => import("./doctor.ts"),
} satisfies Record<string, () => Promise<CommandModule>>;

export type CommandName = keyof typeof commands;

export const commandNames = Object.keys(commands) as readonly CommandName[];

export function isCommandName(word: string): word is CommandName {
  return Object.hasOwn(commands, word);
}
