// Runs everything that has to pass before a change lands, one thing after another, and counts.
import { spawn } from "node:child_process";
import process from "node:process";

/** Suites print TAP; checks have only an exit status and count as one test each. */
const suites = [
  { name: "npm test", argv: ["npm", "test", "--", "--tap"], tap: true },
  { name: "npm run test:boot", argv: ["npm", "run", "test:boot", "--", "--tap"], tap: true },
  { name: "npm run check", argv: ["npm", "run", "check"], tap: false },
];

const counts = { passed: 0, failed: 0, skipped: 0 };
for (const suite of suites) {
  const started = performance.now();
  const { status, lines } = await run(suite.argv);
  const result = suite.tap ? fromTap(lines) : { passed: 0, failed: 0, skipped: 0 };
  // A suite that breaks down without a failed test of its own is a failure all the same.
  if (status === 0) result.passed += suite.tap ? 0 : 1;
  else if (result.failed === 0) result.failed = 1;
  if (suite.tap && result.passed + result.failed === 0) result.failed = 1;
  for (const key of Object.keys(counts)) counts[key] += result[key];
  console.log(
    `# ${suite.name}: ${sentence(result)} in ${((performance.now() - started) / 1000).toFixed(0)} s`,
  );
}
console.log(sentence(counts));
process.exitCode = counts.failed === 0 ? 0 : 1;

function sentence({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}

/** Test points of all nesting levels do not count: ava's TAP is flat. */
function fromTap(lines) {
  const result = { passed: 0, failed: 0, skipped: 0 };
  for (const line of lines) {
    if (/^(?:not )?ok .*# (?:SKIP|TODO)/i.test(line)) result.skipped++;
    else if (line.startsWith("ok ")) result.passed++;
    else if (line.startsWith("not ok ")) result.failed++;
  }
  return result;
}

function run([command, ...args]) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (chunk) => {
      text += chunk;
      process.stdout.write(chunk);
    });
    child.on("close", (status) => resolve({ status: status ?? 1, lines: text.split("\n") }));
    child.on("error", (error) => resolve({ status: 1, lines: [String(error)] }));
  });
}
