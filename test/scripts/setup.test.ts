import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { execa } from "execa";

const root = path.resolve(import.meta.dirname, "../..");
const absent = { package: "sanlab-test-absent", for: "start", probe: ["sanlab-test-absent"], why: "nothing" };
const absentInTests = { ...absent, package: "sanlab-test-absent-too", for: "test", services: ["absentd"] };

interface Clone {
  readonly folder: string;
  setup(
    args?: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<{ status: number; said: string }>;
}

/** What a clone has of this after `npm ci`, with the given packages wanted besides the real ones. */
async function clone(extra: readonly unknown[]): Promise<Clone & AsyncDisposable> {
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-setup-"));
  await cp(path.join(root, "scripts"), path.join(folder, "scripts"), { recursive: true });
  await cp(path.join(root, "package-lock.json"), path.join(folder, "package-lock.json"));
  await mkdir(path.join(folder, "node_modules/.bin"), { recursive: true });
  await cp(
    path.join(root, "node_modules/.package-lock.json"),
    path.join(folder, "node_modules/.package-lock.json"),
  );
  await symlink(path.join(root, "node_modules/.bin/node"), path.join(folder, "node_modules/.bin/node"));
  const list = path.join(folder, "scripts/debian-packages.json");
  const wanted: unknown[] = JSON.parse(await readFile(list, "utf8"));
  await writeFile(list, JSON.stringify([...wanted, ...extra]));
  return {
    folder,
    setup: async (args = [], env = {}) => {
      const script = path.join(folder, "scripts/setup.mjs");
      const { exitCode, stderr, stdout } = await execa(process.execPath, [script, ...args], {
        reject: false,
        env: { SANLAB_NO_INSTALL: "1", ...env },
      });
      return { status: exitCode ?? -1, said: stdout + stderr };
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

test("says nothing and ends with 0 when all is there", async (t) => {
  await using here = await clone([]);
  t.deepEqual(await here.setup(["--for=test"]), { status: 0, said: "" });
});

test("lists what is missing, with the one command that installs it, and ends with 3", async (t) => {
  await using here = await clone([absent]);
  const { status, said } = await here.setup();
  t.is(status, 3);
  t.regex(said, /^ {2}sanlab-test-absent +nothing$/mu);
  t.regex(said, /^ {2}.*sh \S+\/scripts\/install-packages\.sh sanlab-test-absent"?$/mu);
  t.false(said.includes("qemu"), "only what is missing is listed");
});

test("what only tests need is not needed to start", async (t) => {
  await using here = await clone([absentInTests]);
  t.is((await here.setup(["--for=start"])).status, 0);
  const { status, said } = await here.setup(["--for=test"]);
  t.is(status, 3);
  t.regex(said, /install-packages\.sh --keep-off absentd sanlab-test-absent-too"?$/mu);
});

test("a lock file that asks for another version than is installed calls for npm ci", async (t) => {
  await using here = await clone([]);
  const lock = path.join(here.folder, "package-lock.json");
  const text = await readFile(lock, "utf8");
  await writeFile(lock, text.replace(/("node_modules\/yaml": \{\s*"version": ")[^"]*/u, "$10.0.1"));
  const { status, said } = await here.setup();
  t.is(status, 3);
  t.regex(said, /npm ci/u);
});

test("a newer lock file with the same content calls for nothing", async (t) => {
  await using here = await clone([]);
  const lock = path.join(here.folder, "package-lock.json");
  await writeFile(lock, await readFile(lock));
  t.is((await here.setup()).status, 0);
});

test("no node_modules calls for npm ci", async (t) => {
  await using here = await clone([]);
  await rm(path.join(here.folder, "node_modules"), { recursive: true });
  const { status, said } = await here.setup();
  t.is(status, 3);
  t.regex(said, /npm ci/u);
});

test("a user who cannot become root gets the command", async (t) => {
  await using here = await clone([absent]);
  const programs = path.join(here.folder, "bin");
  await mkdir(programs);
  for (const name of ["apt-get", "dpkg"]) await symlink(`/usr/bin/${name}`, path.join(programs, name));
  const isRoot = process.getuid?.() === 0;
  await execa("chmod", ["a+rx", here.folder]);
  const setup = [process.execPath, path.join(here.folder, "scripts/setup.mjs")];
  const argv = isRoot ? ["/usr/bin/setpriv", "--reuid=65534", "--clear-groups", ...setup] : setup;
  const { exitCode, stderr } = await execa(argv[0]!, argv.slice(1), {
    reject: false,
    extendEnv: false,
    env: { PATH: programs },
  });
  t.is(exitCode, 3);
  t.regex(stderr, /su -c "sh \S+\/install-packages\.sh .*sanlab-test-absent"$/mu);
});

test("a system without apt is told what to provide, by program", async (t) => {
  await using here = await clone([absent]);
  const { status, said } = await here.setup([], { PATH: "/nonexistent", SANLAB_NO_INSTALL: "0" });
  t.is(status, 3);
  t.regex(said, /no Debian/u);
  t.regex(said, /sanlab-test-absent +nothing \(sanlab-test-absent\)/u);
});

test("refuses an unknown purpose", async (t) => {
  await using here = await clone([]);
  t.is((await here.setup(["--for=fun"])).status, 2);
});

/** Runs the installer with an apt-get that only notes whether services may start while it installs. */
async function install(t: { readonly log: (text: string) => void }, before: string) {
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-install-"));
  const calls = path.join(folder, "calls");
  await mkdir(path.join(folder, "bin"));
  const note = `policy=none; [ ! -x /usr/sbin/policy-rc.d ] || { /usr/sbin/policy-rc.d tgt start; policy=$?; }`;
  await writeFile(path.join(folder, "bin/apt-get"), `#!/bin/sh\n${note}\necho "$policy: $*" >>${calls}\n`, {
    mode: 0o755,
  });
  // A root of its own for /usr/sbin, so that the machine's stays as it is.
  const script = `
    set -e
    mkdir ${folder}/upper ${folder}/work
    mount -t tmpfs tmpfs /var/lock 2>/dev/null || :
    mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=${folder}/upper,workdir=${folder}/work /usr/sbin
    rm -f /usr/sbin/policy-rc.d
    ${before}
    PATH=${folder}/bin:$PATH sh ${root}/scripts/install-packages.sh one two || echo "failed: $?"
    cat /usr/sbin/policy-rc.d 2>/dev/null || echo "no policy"
  `;
  try {
    const { stdout, stderr } = await execa("unshare", ["-r", "--mount", "sh", "-c", script]);
    t.log(stderr);
    return { calls: (await readFile(calls, "utf8")).trim().split("\n"), left: stdout };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("no service may start while packages are installed, and afterwards all is as before", async (t) => {
  const { calls, left } = await install(t, "");
  t.deepEqual(calls, [
    "101: -q update",
    "101: -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends one two",
  ]);
  t.is(left, "no policy");
});

test("a policy of the machine's owner stays in force and in place", async (t) => {
  const own = String.raw`printf '#!/bin/sh\nexit 42\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d`;
  const { calls, left } = await install(t, own);
  t.true(
    calls.every((call) => call.startsWith("42: ")),
    calls.join("\n"),
  );
  t.is(left, "#!/bin/sh\nexit 42");
});

test("a policy that a killed setup left behind forbids nothing and is replaced", async (t) => {
  const left = String.raw`printf "#!/bin/sh\n# written by sanlab's setup\nexit 7\n" >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d`;
  const result = await install(t, left);
  t.true(
    result.calls.every((call) => call.startsWith("101: ")),
    result.calls.join("\n"),
  );
  t.is(result.left, "no policy");
});
