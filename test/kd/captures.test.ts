import { readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { KdDecoder, KdTranscript, type DecodedEvent, type KdSummary } from "#kd";

const data = path.join(import.meta.dirname, "data");

function decode(file: string, cut = (bytes: Buffer): readonly Buffer[] => [bytes]) {
  const events: DecodedEvent[] = [];
  const decoder = new KdDecoder((event) => events.push(event));
  for (const piece of cut(readFileSync(path.join(data, file)))) decoder.push(piece);
  return { events, summary: decoder.end() };
}

const ofKind = <K extends DecodedEvent["kind"]>(events: readonly DecodedEvent[], kind: K) =>
  events.filter((event): event is Extract<DecodedEvent, { kind: K }> => event.kind === kind);

const counts: Readonly<
  Record<string, Partial<KdSummary> & { readonly text?: number; readonly replies?: number }>
> = {
  "live-to-gui.raw": { prints: 546, modules: 58, stops: 0, replies: 2, packets: 546 + 58 + 60 + 2 },
  "7b.raw": { prints: 165, modules: 32, stops: 1 },
  "7b-continued.raw": { prints: 169, modules: 32, stops: 2 },
  "c0000135.raw": { prints: 177, modules: 32, stops: 1 },
  "ipxe-iscsi-sanbootconf-7b.raw": { prints: 691, modules: 33, stops: 1 },
  "late-breakin.raw": { prints: 197, modules: 5, stops: 2 },
  "nobody-answers.raw": { prints: 5, modules: 0, stops: 0, repeats: 95, packets: 100 },
  "cd-vanishes-at-8s.raw": { prints: 179, modules: 49, stops: 0 },
  "kd-and-ems-same-port.raw": { prints: 541, modules: 58, stops: 0, text: 4880 },
  "ems-com2.raw": { packets: 0, text: 4880 },
};

const isExact = test.macro((t, file: string) => {
  const { text = 0, replies, ...expected } = counts[file]!;
  const { events, summary } = decode(file);
  t.like(summary, { repeats: 0, damaged: 0, ...expected });
  t.is(
    ofKind(events, "text").reduce((sum, event) => sum + event.text.length, 0),
    text,
  );
  t.is(ofKind(events, "print").length, summary.prints);
  t.is(ofKind(events, "module").length, summary.modules);
  if (replies !== undefined) t.is(ofKind(events, "manipulate").length, replies);
});
for (const file of Object.keys(counts)) test(`${file} decodes to its counts`, isExact, file);

const isSameInPieces = test.macro((t, file: string) => {
  const whole = decode(file);
  const bytewise = decode(file, (bytes) => Array.from(bytes, (byte) => Buffer.of(byte)));
  t.deepEqual(bytewise.summary, whole.summary);
  const told = ({ events }: typeof whole) => events.map((event) => ({ ...event, offset: 0 }));
  t.deepEqual(told(bytewise), told(whole));
});
for (const file of ["7b.raw", "kd-and-ems-same-port.raw", "nobody-answers.raw"])
  test(`${file} decodes to the same byte by byte`, isSameInPieces, file);

test("the bugcheck's code, parameters and names are read from the print", (t) => {
  const { events } = decode("7b.raw");
  const [bugcheck] = ofKind(events, "bugcheck");
  t.like(bugcheck, {
    code: "0x0000007b",
    parameters: ["0xf870aa04", "0xc0000034", "0x00000000", "0x00000000"],
    name: "INACCESSIBLE_BOOT_DEVICE",
    status: "STATUS_OBJECT_NAME_NOT_FOUND",
    source: "print",
  });
  t.like(ofKind(decode("c0000135.raw").events, "bugcheck")[0], {
    code: "0xc0000135",
    name: "STATUS_DLL_NOT_FOUND",
  });
});

test("a capture of the debugger's own side shows its requests", (t) => {
  const { events, summary } = decode("ipxe-iscsi-sanbootconf-7b.tx.raw");
  const requests = ofKind(events, "manipulate");
  t.true(requests.every((event) => event.request));
  t.deepEqual(
    requests.slice(0, 3).map((event) => event.name),
    ["GetVersion", "ReadVirtualMemory", "Continue2"],
  );
  t.is(requests.length, 35);
  t.is(summary.packets, 727 + 35);
});

test("modules have their paths, sign-extended bases and sizes", (t) => {
  const modules = ofKind(decode("live-to-gui.raw").events, "module");
  t.true(modules.every((module) => /^0xffffffff[0-9a-f]{8}$/.test(module.base) && module.size > 0));
  t.regex(modules[0]!.path, /ntoskrnl\.exe$/);
  t.true(modules.some((module) => /\\win32k\.sys$/i.test(module.path)));
});

test("the transcript joins prints to lines, and reads as WinDbg's", (t) => {
  const lines: string[] = [];
  const transcript = new KdTranscript((line) => lines.push(line));
  for (const event of decode("ipxe-iscsi-sanbootconf-7b.raw").events) transcript.add(event);
  transcript.end();
  t.true(lines.includes("SAN Boot Configuration Driver initialising"));
  t.true(lines.some((line) => /^ {2}IP = [\d.]+\/[\d.]+$/.test(line)));
  t.true(lines.includes("Waiting for SAN system disk (attempt 120)"));
  t.true(lines.some((line) => /^ModLoad: 80[0-9a-f]{6} 80[0-9a-f]{6} {3}\S+ntoskrnl\.exe$/.test(line)));
  t.true(lines.includes("BugCheck 7B, {f86f8a04, c0000034, 0, 0}"));
  t.true(lines.includes("Break instruction exception - code 80000003 (first chance)"));
});
