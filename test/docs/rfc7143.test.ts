import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { FIELD_TABLES } from "ts-iscsi-pdu";
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

test("a breach that an error names quotes the section that the codec's tables give its field", (t) => {
  const folder = path.join(root, "src/initiator");
  const sections = new Map<string, Set<string>>();
  for (const { label, section } of Object.values(FIELD_TABLES).flat()) {
    const known = sections.get(label) ?? new Set();
    sections.set(label, known.add(section.replace(/^RFC \d+ §/, "")));
  }
  let checked = 0;
  for (const file of readdirSync(folder)) {
    const source = readFileSync(path.join(folder, file), "utf8");
    for (const [, section = "", field = ""] of source.matchAll(/violation\(\s*"([\d.]+)",\s*"([^"]+)"/g)) {
      const known = sections.get(field.replaceAll(" ", ""));
      // What all PDUs share is in 11.2; a section without a third number is about a PDU as a whole.
      if (known === undefined || !/^11\.(?!2\.)\d+\.\d+$/.test(section)) continue;
      checked++;
      t.true(known.has(section), `${file}: ${field} is in ${[...known].join(", ")}, not in ${section}`);
    }
  }
  t.true(checked > 15, `${checked}`);
});
