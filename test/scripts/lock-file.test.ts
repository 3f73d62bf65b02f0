import { readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";

interface LockEntry {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const lockFile = path.resolve(import.meta.dirname, "../../package-lock.json");
const { packages }: { readonly packages: Readonly<Record<string, LockEntry>> } = JSON.parse(
  readFileSync(lockFile, "utf8"),
);

/** Whether Node.js, starting in the folder `from`, would find the package. */
function isLocked(name: string, from: string): boolean {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf("node_modules/") - 1))) {
    if (packages[`${at === "" ? "" : `${at}/`}node_modules/${name}`] !== undefined) return true;
    if (at === "") return false;
  }
}

// npm ci refuses a lock file that lacks the packages of other platforms, which npm leaves out when it could not see them.
test("the lock file holds every optional package, whatever platform it is for", (t) => {
  const missing = Object.entries(packages).flatMap(([place, entry]) =>
    Object.keys(entry.optionalDependencies ?? {}).filter((name) => !isLocked(name, place)),
  );
  t.deepEqual(missing, []);
});
