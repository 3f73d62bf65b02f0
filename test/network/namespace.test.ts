import { readdirSync, readlinkSync } from "node:fs";
import test from "ava";
import { abandoned, Chain, node, outerProgram, processesIn } from "./chain.ts";

const COMMON = ["--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"];
const supports = {
  root: { available: true, kind: "root", unshare: COMMON },
  user: { available: true, kind: "user", unshare: ["--user", "--map-root-user", ...COMMON] },
} as const;
/** Without privilege there is only one way. */
const kinds = process.geteuid?.() === 0 ? (["root", "user"] as const) : (["user"] as const);

const command = (options: object, ...inner: readonly string[]) => [
  ...node,
  outerProgram,
  JSON.stringify(options),
  ...inner,
];

for (const kind of kinds) {
  const support = supports[kind];

  test.serial(
    `${kind}: the inner program is process 1 of its own namespaces, with its loopback up`,
    async (t) => {
      const chain = new Chain(t, command({ support }, "report", "an argument"));
      t.like(await chain.json(), {
        kind,
        again: kind,
        pid: 1,
        interfaces: ["lo"],
        marker: undefined,
        argument: "an argument",
        variable: "as given",
      });
      t.is(await chain.status(), 7);
    },
  );

  for (const [victim, status] of [
    ["outer", "SIGKILL"],
    ["unshare", 3],
    ["inner", 3],
  ] as const) {
    test.serial(`${kind}: kill -9 of ${victim} leaves no process, no TAP device, no file`, async (t) => {
      const chain = new Chain(t, command({ support }, "lab"));
      const network = String((await chain.json())["network"]);
      t.not(network, readlinkSync("/proc/self/ns/net"));
      const [outer, unshare, inner] = chain.links();
      // unshare, the inner program, the child with the TAP device, the daemon.
      t.is(processesIn(network).length, 4);
      process.kill({ outer, unshare, inner }[victim], "SIGKILL");
      if (victim !== "outer") t.like(await chain.json(), { code: "LAB_KILLED" });
      t.is(await chain.status(), status);
      await abandoned(network);
      t.deepEqual(readdirSync(chain.folder), []);
    });
  }

  test.serial(`${kind}: kill -9 of outer ends an inner program that is too busy to notice`, async (t) => {
    const chain = new Chain(t, command({ support }, "busy"));
    const network = String((await chain.json())["network"]);
    process.kill(chain.process.pid!, "SIGKILL");
    await abandoned(network);
    t.is(await chain.status(), "SIGKILL");
  });
}

const stops = test.macro(async (t, signal: NodeJS.Signals, status: number) => {
  const chain = new Chain(t, command({ graceMs: 60_000 }, "orderly"));
  const network = String((await chain.json())["network"]);
  process.kill(chain.process.pid!, signal);
  t.is(await chain.line(), signal);
  t.is(await chain.status(), status);
  await abandoned(network);
});
test.serial("SIGINT reaches the inner program once, which ends in order", stops, "SIGINT", 130);
test.serial("SIGTERM does", stops, "SIGTERM", 143);
test.serial("SIGHUP does", stops, "SIGHUP", 129);

test.serial("an inner program without a listener ends by the signal", async (t) => {
  const chain = new Chain(t, command({ graceMs: 60_000 }, "plain"));
  await chain.json();
  process.kill(chain.process.pid!, "SIGINT");
  t.is(await chain.status(), 130);
});

test.serial("one that does not end in time is killed with all it has", async (t) => {
  const chain = new Chain(t, command({ graceMs: 50 }, "stubborn"));
  const network = String((await chain.json())["network"]);
  process.kill(chain.process.pid!, "SIGINT");
  t.is(await chain.line(), "SIGINT");
  t.is(await chain.status(), 130);
  await abandoned(network);
});

test.serial("a second signal does not wait", async (t) => {
  const chain = new Chain(t, command({ graceMs: 60_000 }, "stubborn"));
  await chain.json();
  process.kill(chain.process.pid!, "SIGINT");
  t.is(await chain.line(), "SIGINT");
  process.kill(chain.process.pid!, "SIGINT");
  t.is(await chain.status(), 130);
});

test.serial("a Ctrl-C on the terminal reaches the inner program once", async (t) => {
  const quoted = command({ graceMs: 60_000 }, "stubborn").map((word) => `'${word}'`);
  const chain = new Chain(t, ["script", "-qefc", quoted.join(" "), "/dev/null"]);
  await chain.json();
  chain.process.stdin?.write("\u0003");
  // The terminal echoes the key before what the program says.
  t.regex(await chain.line(), /SIGINT$/);
  chain.process.stdin?.write("\u0003");
  t.is(await chain.status(), 130);
});

test.serial("a change of the terminal's size is passed on and stops nothing", async (t) => {
  const chain = new Chain(t, command({}, "stubborn"));
  await chain.json();
  process.kill(chain.process.pid!, "SIGWINCH");
  t.is(await chain.line(), "SIGWINCH");
  process.kill(chain.process.pid!, "SIGHUP");
  t.is(await chain.line(), "SIGHUP");
});

test.serial("an aborted signal stops the inner program as SIGTERM does", async (t) => {
  const chain = new Chain(t, command({ graceMs: 60_000 }, "orderly"));
  await chain.json();
  process.kill(chain.process.pid!, "SIGUSR2");
  t.is(await chain.line(), "SIGTERM");
  t.is(await chain.status(), 143);
});

const withoutPrivilege =
  process.geteuid?.() === 0 ? ["setpriv", "--bounding-set=-all,+setfcap", "--inh-caps=-all", "--"] : [];

test.serial(
  "a process without any privilege gets all of it, with a TAP device, by a user namespace",
  async (t) => {
    const chain = new Chain(t, [...withoutPrivilege, ...command({}, "lab")]);
    const network = String((await chain.json())["network"]);
    t.is(processesIn(network).length, 4);
    process.kill(chain.process.pid!, "SIGKILL");
    await abandoned(network);
    t.is(await chain.status(), "SIGKILL");
  },
);

/** Inside, no further user namespace can be made. */
const forbid = [
  "unshare",
  "--map-root-user",
  "sh",
  "-c",
  'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"',
  "sh",
] as const;
/** Nor any other, without this. */
const withoutAdmin = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--"];

test.serial("root where user namespaces are forbidden goes without one", async (t) => {
  const chain = new Chain(t, [...forbid, ...command({}, "report")]);
  t.like(await chain.json(), { kind: "root", pid: 1 });
});

test.serial("where namespaces are forbidden altogether, reason and cure are told", async (t) => {
  const probe = new Chain(t, [...forbid, ...withoutAdmin, ...command({ probeOnly: true })]);
  t.deepEqual(await probe.json(), {
    available: false,
    reason: "unshare: unshare failed: No space left on device",
    cure: "sysctl user.max_user_namespaces=15000",
  });
  const chain = new Chain(t, [...forbid, ...withoutAdmin, ...command({}, "report")]);
  const { code, message } = await chain.json();
  t.is(code, "NAMESPACES_FORBIDDEN");
  t.regex(String(message), /sysctl user\.max_user_namespaces/);
  t.is(await chain.status(), 3);
});

test.serial("a program that cannot be started inside is a failure of the lab with its reason", async (t) => {
  const unsupported = { available: true, kind: "user", unshare: ["--no-such-option"] };
  const broken = new Chain(t, command({ support: unsupported }, "report"));
  const { code, message } = await broken.json();
  t.is(code, "NAMESPACES_FORBIDDEN");
  t.regex(String(message), /unshare/);
  t.is(await broken.status(), 3);
});

test.serial("a marker in the environment of a program that nobody watches means nothing", async (t) => {
  const inner = outerProgram.replace("outer", "inner");
  const chain = new Chain(t, ["env", "SANLAB_NAMESPACE=root", ...node, inner, "report"]);
  const facts = await chain.json();
  t.is(facts["kind"], undefined);
  t.is(facts["network"], readlinkSync("/proc/self/ns/net"));
});
