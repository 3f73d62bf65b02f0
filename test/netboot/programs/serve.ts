/** `sanlab netboot serve` on a wire, as its user runs it. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { Events, netNamespace, runToEnd, sh } from "./support.ts";

const bin = path.resolve(import.meta.dirname, "../../../bin/sanlab");
const folder = mkdtempSync(path.join(tmpdir(), "sanlab-serve-"));
writeFileSync(path.join(folder, "pxelinux.0"), "loader");

const { pid, enter } = await netNamespace();
sh(
  "ip link set lo up; ip link add srv0 type veth peer name cli0; ip link add bare type veth peer name bare1",
);
sh(`ip link set cli0 netns ${pid}; ip address add 10.7.0.1/24 dev srv0; ip link set srv0 up`);
sh(`${enter.join(" ")} sh -c "ip link set cli0 up; ip address add 10.7.0.9/24 dev cli0"`);

const events = new Events();
const server = spawn(
  bin,
  [
    "netboot",
    "serve",
    folder,
    "--interface",
    "srv0",
    "--json",
    "--ra",
    "--pool",
    "10.7.0.50-10.7.0.59",
  ].concat(
    "--boot-file pxelinux.0 --router 10.7.0.1 --dns 10.7.0.5 --dns 10.7.0.6 --http-port 8080".split(" "),
  ),
  { stdio: ["ignore", "pipe", "inherit"] },
);
createInterface(server.stdout).on("line", (line) => {
  const { kind, ...data } = JSON.parse(line) as { readonly kind: string };
  events.report(kind, data);
});
const result: Record<string, unknown> = {};
result["listening"] = (await events.next(({ kind }) => kind === "listening")).data;
result["udhcpc"] = await runToEnd([...enter, ..."busybox udhcpc -f -q -n -i cli0 -s /bin/true".split(" ")]);
result["tftp"] = await runToEnd([...enter, "curl", "-sS", "tftp://10.7.0.1/pxelinux.0"]);
result["http"] = await runToEnd([...enter, "curl", "-sS", "http://10.7.0.1:8080/pxelinux.0"]);
result["ack"] = (await events.next(({ kind }) => kind === "dhcp-ack")).data;
const exited = once(server, "exit");
server.kill("SIGINT");
result["interrupted"] = (await exited)[0];

/** Calls that are refused at once. */
const refused = (...args: readonly string[]) => {
  const { status, stdout } = spawnSync(bin, ["netboot", "serve", ...args, "--json"], { encoding: "utf8" });
  const { error } = JSON.parse(stdout) as {
    readonly error: { readonly code: string; readonly message: string };
  };
  return { status, code: error.code, message: error.message };
};
result["noFolder"] = refused("/nonexistent", "--interface", "srv0");
result["noInterface"] = refused(folder, "--interface", "nope");
result["noAddress"] = refused(folder, "--interface", "bare");
result["noOption"] = refused(folder);
result["badPool"] = refused(folder, "--interface", "srv0", "--pool", "10.7.0.50");
sh("ip route add default via 10.7.0.254");
result["defaultRoute"] = refused(folder, "--interface", "srv0");
rmSync(folder, { recursive: true });
process.stdout.write(JSON.stringify(result), () => process.exit(0));
