import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { LabError } from "#core";
import { runTool } from "../host-tool.ts";
import { fileEntry, type TreeEntry } from "./file-tree.ts";
import { findOne } from "./find-one.ts";

const binaryFolders = ["bin", "usr/bin", "sbin", "usr/sbin"];

/** busybox and a link for each of its commands. */
export async function busybox(packages: string, signal?: AbortSignal): Promise<readonly TreeEntry[]> {
  const binary = await findOne(packages, /^busybox$/u, binaryFolders);
  const commands = (await runTool(binary, ["--list-full"], { signal })).split("\n");
  const links = commands
    .filter((command) => command !== "" && path.basename(command) !== "busybox")
    .map((command): TreeEntry => ({ kind: "link", path: command, target: "/bin/busybox" }));
  return [fileEntry("bin/busybox", await readFile(binary), true), ...links];
}

/**
 * Programs of the packages with the shared libraries they load. The packages' own dynamic loader lists these, so that
 * none of this machine's can slip in.
 *
 * @throws LabError `GUEST_PACKAGES` where a library is in none of the packages.
 */
export async function dynamicPrograms(
  packages: string,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<readonly TreeEntry[]> {
  const folders = await libraryFolders(packages);
  const loader = await findOne(packages, /^ld-linux-x86-64\.so\.2$/u, folders);
  const entries = [fileEntry("lib64/ld-linux-x86-64.so.2", await readFile(loader), true)];
  const search = folders.map((folder) => path.join(packages, folder)).join(":");
  for (const name of names) {
    const program = await findOne(packages, new RegExp(`^${name}$`, "u"), binaryFolders);
    entries.push(fileEntry(`sbin/${name}`, await readFile(program), true));
    const args = ["--inhibit-cache", "--library-path", search, "--list", program];
    const listed = await runTool(loader, args, { signal });
    for (const [, library = "", place = ""] of listed.matchAll(/^\s*(\S+) => (\S+)/gmu)) {
      if (library.includes("/")) continue;
      if (!place.startsWith(packages)) {
        throw new LabError(
          "GUEST_PACKAGES",
          `no package of the guest brings ${library}, which ${name} needs`,
        );
      }
      entries.push(fileEntry(`lib/x86_64-linux-gnu/${library}`, await readFile(place), true));
    }
  }
  return entries;
}

async function libraryFolders(packages: string): Promise<readonly string[]> {
  const candidates = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64"];
  const present = await Promise.all(
    candidates.map((folder) =>
      readdir(path.join(packages, folder)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return candidates.filter((_, i) => present[i] === true);
}
