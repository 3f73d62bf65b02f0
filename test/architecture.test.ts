import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import test from "ava";

const root = path.resolve(import.meta.dirname, "..");

/** The floors of docs/architecture.md. A folder may import only from folders on lower floors. */
const floors: readonly (readonly string[])[] = [
  ["src/ts-iscsi-pdu", "src/core"],
  ["src/scsi", "src/ibft", "src/option-rom", "src/faults", "src/capture", "src/digest", "src/windows"],
  ["src/block"],
  [
    "src/initiator",
    "src/target",
    "src/nbd",
    "src/netboot",
    "src/kd",
    "harness/tap-stream",
    "harness/qemu-launcher",
  ],
  ["harness/network"],
  ["harness/lab", "harness/observe", "vm-images"],
  ["harness/verdict"],
  ["harness/scenario"],
  ["harness/report"],
  ["src/cli"],
];
const floorOf = new Map(
  floors.flatMap((folders, floor) => folders.map((folder) => [folder, floor] as const)),
);

const sources = ["src", "harness", "vm-images"].flatMap((top) =>
  readdirSync(path.join(root, top), { recursive: true, encoding: "utf8" })
    .map((file) => path.posix.join(top, file))
    .filter((file) => file.endsWith(".ts") && !/node_modules|\/dist\/|^src\/ts-iscsi-pdu\/test\//.test(file)),
);

const folderOf = (file: string) =>
  file.startsWith("vm-images/") ? "vm-images" : file.split("/").slice(0, 2).join("/");

/** The folder that a specifier leads to, or undefined for a package or a Node.js module. */
function imported(specifier: string, file: string): string | undefined {
  if (specifier === "ts-iscsi-pdu") return "src/ts-iscsi-pdu";
  if (specifier === "#vm-images") return "vm-images";
  if (specifier.startsWith("#harness/")) return `harness/${specifier.slice(9)}`;
  if (specifier.startsWith("#")) return `src/${specifier.slice(1)}`;
  if (specifier.startsWith(".")) return folderOf(path.posix.join(path.posix.dirname(file), specifier));
  return undefined;
}

const imports = sources.flatMap((file) =>
  [...readFileSync(path.join(root, file), "utf8").matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(
    (match) => ({
      file,
      specifier: match[1]!,
      target: imported(match[1]!, file),
    }),
  ),
);

test("every source folder stands on a floor", (t) => {
  t.deepEqual(
    [...new Set(sources.map(folderOf))].filter((folder) => !floorOf.has(folder)),
    [],
  );
});

test("imports go to lower floors or stay in their folder, and enter other folders by their index", (t) => {
  const wrong = imports.filter(({ file, specifier, target }) => {
    if (target === undefined || target === folderOf(file)) return false;
    return specifier.startsWith(".") || (floorOf.get(target) ?? Infinity) >= floorOf.get(folderOf(file))!;
  });
  t.deepEqual(
    wrong.map(({ file, specifier }) => `${file} imports ${specifier}`),
    [],
  );
});

test("the codec and the core depend on nothing of ours and on no package", (t) => {
  const wrong = imports.filter(
    ({ file, specifier }) =>
      floorOf.get(folderOf(file)) === 0 &&
      !specifier.startsWith(".") &&
      !(folderOf(file) === "src/core" && specifier.startsWith("node:")),
  );
  t.deepEqual(
    wrong.map(({ file, specifier }) => `${file} imports ${specifier}`),
    [],
  );
});

test("no source file is longer than 400 lines", (t) => {
  const long = sources.filter(
    (file) =>
      statSync(path.join(root, file)).size > 8000 &&
      readFileSync(path.join(root, file), "utf8").split("\n").length > 400,
  );
  t.deepEqual(long, []);
});
