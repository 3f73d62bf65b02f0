import { UsageError } from "#core";
import { checkIscsiName } from "./root-path.ts";

export interface SanbootScript {
  /** What to boot from, e.g. from `formatRootPath`. */
  readonly rootPath: string;
  readonly initiatorName?: string;
  /** Configure the network first; needed where nothing has done so yet, as in an embedded script. */
  readonly dhcp?: boolean;
  /** Leave the disk attached when booting from it fails, e.g. to install onto it. */
  readonly keepSan?: boolean;
  /** BIOS drive number; default 0x80. */
  readonly drive?: number;
  /** Attach the disk (which also writes the iBFT) without booting from it. */
  readonly hookOnly?: boolean;
  /** What to do when it fails; default is to end the script, so that the firmware goes on to its next device. */
  readonly onFailure?: "exit" | "shell" | "reboot";
}

/** An iPXE script that attaches an iSCSI disk and boots from it. Throws UsageError for text iPXE would read otherwise. */
export function sanbootScript(script: SanbootScript): string {
  const { rootPath, initiatorName, drive, onFailure = "exit" } = script;
  const command = script.hookOnly ? "sanhook" : "sanboot";
  const words = [
    command,
    ...(drive === undefined ? [] : ["--drive", `0x${checkDrive(drive).toString(16)}`]),
    // sanhook has no such option: it never detaches.
    ...(script.keepSan && !script.hookOnly ? ["--keep"] : []),
    ipxeWord(rootPath),
  ];
  const lines = [
    "#!ipxe",
    ...(script.dhcp ? [`dhcp || ${onFailure}`] : []),
    ...(initiatorName === undefined ? [] : [`set initiator-iqn ${checkIscsiName(initiatorName)}`]),
    `${words.join(" ")} || ${onFailure}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** iPXE splits at white space, expands `${…}`, and gives meaning to quotes, backslashes, `#`, `&&`, `||` and `;`. */
function ipxeWord(text: string): string {
  if (!/^[^\s\p{C}"'\\$;&|#]+$/u.test(text)) {
    throw new UsageError(
      "BAD_IPXE_WORD",
      `"${text}" cannot stand in an iPXE script; percent-encode what is special`,
    );
  }
  return text;
}

function checkDrive(drive: number): number {
  if (!Number.isInteger(drive) || drive < 0 || drive > 0xff) {
    throw new UsageError("BAD_DRIVE", `${drive} is no BIOS drive number; the first disk is 0x80`);
  }
  return drive;
}
