import { mkdir } from "node:fs/promises";
import path from "node:path";
import test from "ava";
import { Boot, evidenceFolder } from "./helpers/boot.ts";

let folder: string;
test.before(async () => {
  folder = await evidenceFolder("lacks");
});

/** A shell that changes something in namespaces of its own and then becomes the program. */
const within = (script: string): readonly string[] => [
  "unshare",
  "--user",
  "--map-root-user",
  "--mount",
  "sh",
  "-c",
  `${script} && exec "$@"`,
  "sh",
];

const userMode =
  /^sanlab: no private network \((.*)\): QEMU's user-mode network: e1000 and virtio boot over it, rtl8139 loses too much/m;

test.serial(
  "without /dev/net/tun the guest boots over the user-mode network, and the first line says what that cannot do",
  async (t) => {
    t.timeout(300_000);
    const run = path.join(folder, "no-tun");
    const boot = new Boot(["--nic", "virtio", "--json", "--out", run], {
      wrap: within("mount -t tmpfs none /dev/net"),
    });
    t.is((await boot.end()).status, 0, boot.stderr);
    t.regex(boot.stderr.split("\n")[0]!, userMode);
    t.regex(boot.stderr, /there is no \/dev\/net\/tun; cure: modprobe tun/);
    t.like(boot.document(), { outcome: "pass", reached: "P17" });
  },
);

test.serial("where namespaces are forbidden the same network is used, and the cure is told", async (t) => {
  t.timeout(120_000);
  const forbid = "echo 0 > /proc/sys/user/max_user_namespaces && echo 0 > /proc/sys/user/max_net_namespaces";
  const boot = new Boot(["--nic", "virtio", "--out", path.join(folder, "no-namespaces")], {
    wrap: within(forbid),
  });
  t.teardown(() => boot.child.kill("SIGKILL"));
  await boot.until(/P5 /);
  t.regex(boot.stderr, userMode);
  t.regex(boot.stderr, /cure: sysctl user\.max_user_namespaces=/);
  boot.child.kill("SIGINT");
  t.is((await boot.end()).status, 130);
});

test.serial("a NIC that needs a wire is refused where there is none", async (t) => {
  const boot = new Boot(["--nic", "rtl8139", "--out", path.join(folder, "refused")], {
    wrap: within("mount -t tmpfs none /dev/net"),
  });
  t.is((await boot.end()).status, 3);
  t.regex(
    boot.stderr,
    /^sanlab: --nic rtl8139 does not boot over QEMU's user-mode network, and .*; use --nic e1000 or virtio, or see 'sanlab doctor'$/m,
  );
});

test.serial("a full disk is told before the boot", async (t) => {
  const small = path.join(folder, "small");
  await mkdir(small);
  const boot = new Boot(["--nic", "virtio", "--out", path.join(small, "run")], {
    wrap: within(`mount -t tmpfs -o size=1m none ${small}`),
  });
  t.is((await boot.end()).status, 3);
  t.regex(boot.stderr, /^sanlab: .*small\/run.* (free|space).*$/m);
  t.notRegex(boot.stderr, /^\s+at /m);
});
