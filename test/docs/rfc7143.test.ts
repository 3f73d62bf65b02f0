import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";

const root = path.resolve(import.meta.dirname, "../..");
const rows = ["docs/rfc7143.md", "docs/rfc7143-target.md"]
  .flatMap((page) => readFileSync(path.join(root, page), "utf8").split("\n"))
  .filter((line) => line.startsWith("| ") && !line.startsWith("| Section") && !line.startsWith("| ---"))
  .map((line) => line.slice(2, -2).split(" | "));

test("every row names its section, demand, place, test and peer", (t) => {
  t.true(rows.length > 25);
  for (const row of rows) t.is(row.length, 5, row.join(" | "));
});

for (const [section, demand, places = "", proof = ""] of rows) {
  test(`${section}: ${demand} (${places})`, (t) => {
    for (const place of places.matchAll(/`([^`]+)`/g))
      t.true(existsSync(path.join(root, place[1]!)), place[1]);
    const match = /^`([^`]+)`: (.+)$/.exec(proof);
    t.truthy(match, `"${proof}" names no test`);
    const [, file = "", title = ""] = match ?? [];
    t.true(readFileSync(path.join(root, file), "utf8").includes(title), `${file} has no test "${title}"`);
  });
}
