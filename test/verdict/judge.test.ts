import path from "node:path";
import test from "ava";
import { readTimeline, type Observation } from "#harness/observe";
import { judge, phaseIds } from "#harness/verdict";
import { Boot } from "./helpers/boot.ts";

const recorded = (name: string) => readTimeline(path.join(import.meta.dirname, "data", `${name}.jsonl`));

test("a recorded boot to login", async (t) => {
  const verdict = judge(await recorded("reaches-login"));
  t.is(verdict.outcome, "pass");
  t.is(verdict.reached, "P17");
  t.is(verdict.class, null);
  t.deepEqual(Object.keys(verdict.timings), phaseIds.slice(0, 18));
  t.regex(
    verdict.summary,
    /^the guest reached login after [\d.]+ s, its root on iqn\.2026-11\.lab\.sanlab:disk by open-iscsi after a boot by iPXE$/,
  );
  t.like(verdict.ibft, { address: 0x9e620, oemId: "FENSYS" });
});

test("a recorded boot whose kernel has no driver for the NIC", async (t) => {
  const verdict = judge(await recorded("no-nic-driver"));
  t.like(verdict, { outcome: "fail", reached: "P11", class: "NIC-DRIVER-ABSENT", confidence: "certain" });
  t.is(
    verdict.summary,
    "reached P11, not login: the kernel found the iBFT, but no frame came from the guest's MAC after hand-over except the end of the firmware's own connection",
  );
});

test("a verdict does not depend on the order in which observations were written", async (t) => {
  const observations = await recorded("reaches-login");
  t.deepEqual(
    judge(observations.toReversed().toSorted((a, b) => a.t - b.t)).timings,
    judge(observations).timings,
  );
});

interface Expected {
  readonly outcome: string;
  readonly reached: string | null;
  readonly class: string | null;
  readonly summary?: RegExp;
  readonly advice?: RegExp;
}

const concluded = test.macro((t, boot: () => readonly Observation[], expected: Expected) => {
  const { outcome, reached, class: name, summary, advice } = judge(boot());
  t.deepEqual<unknown, unknown>(
    [outcome, reached, name],
    [expected.outcome, expected.reached, expected.class],
    summary,
  );
  t.regex(summary, expected.summary ?? /./);
  t.regex(advice, expected.advice ?? /^/);
});

const fail = (reached: string | null, name: string | null, summary?: RegExp, advice?: RegExp) => ({
  outcome: "fail",
  reached,
  class: name,
  ...(summary && { summary }),
  ...(advice && { advice }),
});

test(
  "no frame at all",
  concluded,
  () => new Boot().end("timeout"),
  fail(null, "LINK-DOWN", /^reached nothing, not login: no frame ever came/),
);
test(
  "a DHCP client that nobody answers",
  concluded,
  () => new Boot().discover().discover().end("timeout"),
  fail("P0", "DHCP-NO-ANSWER"),
);
test(
  "iPXE's own word for a root path that it cannot use",
  concluded,
  () =>
    new Boot()
      .lease()
      .screen("Could not open SAN device: Invalid argument (http://ipxe.org/1c0d6102)")
      .end("timeout"),
  fail("P1", "SAN-URI-WRONG", /too short/),
);
test(
  "a portal that does not answer",
  concluded,
  () => new Boot().lease().syn(1).syn(1).end("timeout"),
  fail("P1", "TCP-UNREACHABLE", /10\.77\.0\.1:3260 was not answered/),
);
test(
  "a portal that refuses",
  concluded,
  () => new Boot().lease().syn(1).wire("tcp-rst", { flow: 1, fromPort: 3260 }).end("timeout"),
  fail("P1", "TCP-UNREACHABLE", /refused the firmware's connection/),
);

const refusal =
  (statusClass: number, detail: number, extra = {}) =>
  () =>
    new Boot()
      .lease()
      .login(1, "ipxe", { class: statusClass, detail, ...extra })
      .end("timeout");
test(
  "login refused: authentication",
  concluded,
  refusal(2, 1),
  fail("P3", "CHAP-REJECT", /firmware's login: authentication failed \(0201\)/),
);
test(
  "login refused: initiator name",
  concluded,
  refusal(2, 2),
  fail("P3", "INITIATOR-NAME", undefined, /"iqn\.2026-11\.lab\.sanlab:guest"/),
);
test(
  "login refused: target name",
  concluded,
  refusal(2, 3),
  fail("P3", "TARGET-NOT-FOUND", undefined, /"iqn\.2026-11\.lab\.sanlab:disk"/),
);
test("login refused: target down", concluded, refusal(3, 1), fail("P3", "TARGET-DOWN"));
test("login refused: target busy", concluded, refusal(3, 2), fail("P3", "TARGET-BUSY"));
test(
  "login redirected and not followed",
  concluded,
  refusal(1, 1, { targetAddress: "10.9.9.9:3260" }),
  fail("P3", "REDIRECT", undefined, /10\.9\.9\.9:3260/),
);
test(
  "login refused with a status that RFC 7143 does not know",
  concluded,
  refusal(2, 99),
  fail("P3", "LOGIN-REFUSED", /status 0263/),
);

test(
  "a LUN that is not there",
  concluded,
  () =>
    new Boot()
      .lease()
      .login(1, "ipxe")
      .wire("iscsi-command", { flow: 1, operation: 0, name: "TEST UNIT READY" })
      .wire("iscsi-check-condition", {
        flow: 1,
        status: 2,
        key: 5,
        asc: 0x25,
        ascq: 0,
        name: "TEST UNIT READY",
      })
      .end("timeout"),
  fail("P5", "LUN-MISMATCH", /no such LUN/),
);
test(
  "a unit attention is no trouble",
  concluded,
  () =>
    new Boot()
      .lease()
      .login(1, "ipxe")
      .wire("iscsi-check-condition", { flow: 1, status: 2, key: 6, asc: 0x29, ascq: 0 })
      .read(1, 0)
      .end("timeout"),
  fail("P6", "NO-BOOTFILE"),
);
test(
  "a medium error under the firmware",
  concluded,
  () =>
    new Boot()
      .hook()
      .wire("iscsi-check-condition", { flow: 1, status: 2, key: 3, asc: 0x11, ascq: 0, name: "READ(10)" })
      .end("timeout"),
  fail("P6", "SCSI-ERROR", /READ\(10\) ended with status 02, sense 03\/11\/00/),
);
test(
  "a disk without a boot loader",
  concluded,
  () => new Boot().hook().ibft().end("timeout"),
  fail("P7", "NO-BOOTFILE"),
);
test(
  "the session breaks under the boot loader",
  concluded,
  () =>
    new Boot()
      .hook()
      .ibft()
      .read(1, 2048)
      .line("boot loader started")
      .wire("tcp-rst", { flow: 1 })
      .end("timeout"),
  fail("P9", "SAN-DROP"),
);
test(
  "a kernel without an iBFT, and none in memory",
  concluded,
  () => new Boot().hook().read(1, 2048).line("Linux version 6").line("No iBFT detected").end("stopped"),
  fail("P10", "OS-NO-BOOT-PARAMS"),
);
test(
  "a kernel that does not find the iBFT that is there",
  concluded,
  () => new Boot().kernel().line("No iBFT detected").end("stopped"),
  fail("P10", "IBFT-LOCATION", /lies at 0x9e620/),
);
test(
  "only the end of the firmware's connection after hand-over",
  concluded,
  () =>
    new Boot()
      .kernel()
      .line("iBFT found at 0x9e620")
      .wire("tcp-fin", { flow: 1, mac: "52:54:00:5a:4e:01" })
      .activity({ "tcp#1": 2 })
      .end("timeout"),
  fail("P11", "NIC-DRIVER-ABSENT"),
);
test(
  "a sum of frames that began before hand-over says nothing about after it",
  concluded,
  () => new Boot().kernel().activity({ arp: 3 }, 30).line("iBFT found at 0x9e620").end("timeout"),
  fail("P11", "NIC-DRIVER-ABSENT"),
);
test(
  "a card of another machine is not the guest's",
  concluded,
  () =>
    new Boot()
      .kernel()
      .line("iBFT found at 0x9e620")
      .wire("arp-request", { mac: "02:00:00:00:00:01" })
      .end("timeout"),
  fail("P11", "NIC-DRIVER-ABSENT"),
);
test(
  "a kernel that asks for its gateway only",
  concluded,
  () =>
    new Boot().kernel().line("iBFT found at").frame("arp-request", { target: "10.77.0.254" }).end("timeout"),
  fail("P12", "GW-DEAD", /asked for 10\.77\.0\.254, and never for the target 10\.77\.0\.1/),
);
test(
  "a kernel whose connection is not answered",
  concluded,
  () =>
    new Boot()
      .kernel()
      .line("iBFT found at")
      .frame("arp-request", { target: "10.77.0.1" })
      .syn(2)
      .end("timeout"),
  fail("P12", "TCP-UNREACHABLE", /kernel's connection to 10\.77\.0\.1:3260 was not answered/),
);
test(
  "the kernel's login refused",
  concluded,
  () =>
    new Boot()
      .kernel()
      .line("iBFT found at")
      .frame("arp-request", { target: "10.77.0.1" })
      .login(2, "linux", { class: 2, detail: 2 })
      .end("timeout"),
  fail("P13", "INITIATOR-NAME", /kernel's login/),
);
test(
  "a login without a disk",
  concluded,
  () => new Boot().kernel().line("iBFT found at").login(2, "linux").end("timeout"),
  fail("P14", "HANDOVER-NO-DISK"),
);
test(
  "a panic behind the root",
  concluded,
  () =>
    new Boot()
      .kernel()
      .line("iBFT found at")
      .login(2, "linux")
      .line("root mounted")
      .line("Kernel panic - not syncing: no init")
      .end("stopped"),
  fail("P16", "KERNEL-PANIC", /no init/),
);
test(
  "silence behind the root",
  concluded,
  () => new Boot().kernel().line("iBFT found at").login(2, "linux").line("root mounted").end("timeout"),
  fail("P16", "HANG"),
);
test(
  "software of an unknown ISID is the firmware before hand-over and the system after it",
  concluded,
  () =>
    new Boot()
      .lease()
      .login(1, "stranger")
      .read(1, 0)
      .read(1, 2048)
      .line("Linux version 6")
      .line("iBFT found at")
      .login(2, "stranger")
      .line("x login:")
      .end("reached"),
  { outcome: "pass", reached: "P17", class: null, summary: /login after/ },
);

test(
  "a phase that was asked for is enough",
  concluded,
  () => new Boot("P11").kernel().line("iBFT found at").end("reached"),
  { outcome: "pass", reached: "P11", class: null, summary: /^reached P11 \(kernel found the iBFT\)/ },
);
test(
  "the lab's own failure says nothing about the guest",
  concluded,
  () => new Boot().lease().end("lab-error", { code: "QEMU_MISSING", message: "no qemu" }),
  { outcome: "lab-error", reached: "P1", class: null, summary: /the lab failed: no qemu/ },
);
test(
  "QEMU's death is the lab's failure",
  concluded,
  () => new Boot().kernel().end("machine-exit", { signal: "SIGKILL", message: "QEMU ended with SIGKILL" }),
  { outcome: "lab-error", reached: "P10", class: null, summary: /SIGKILL/ },
);
test("an interrupted run is inconclusive", concluded, () => new Boot().lease().end("interrupted"), {
  outcome: "inconclusive",
  reached: "P1",
  class: null,
});
test(
  "a timeline without an end is that of a run that was killed",
  concluded,
  () => new Boot().lease().observations,
  { outcome: "inconclusive", reached: "P1", class: null },
);

test("broken markers of a guest match nothing", (t) => {
  const boot = new Boot();
  (boot.observations[0]!.data as { markers: Record<string, string> }).markers["login"] = "(";
  t.is(judge(boot.line("login:").end("timeout")).outcome, "fail");
});
