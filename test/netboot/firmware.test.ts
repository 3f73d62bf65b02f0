import test from "ava";
import { inNamespace } from "./namespace.ts";
import type { Event } from "./programs/support.ts";

const run = (name: string) => inNamespace<readonly Event[]>("firmware.ts", [name]);
const chain = run("chain");
const san = chain.then(() => run("san"));
const uefi = san.then(() => run("uefi"));

const kindsOf = (events: readonly Event[]) => events.map(({ kind }) => kind);
const first = (events: readonly Event[], kind: string) => events.find((event) => event.kind === kind)!.data;

test("iPXE takes its lease, loads its script by HTTP, a file by TFTP, and says that it is done", async (t) => {
  const events = await chain;
  const steps = ["dhcp-offer", "dhcp-request", "dhcp-ack", "http-request", "tftp-read", "tftp-done"];
  const seen = kindsOf(events).filter((kind, i, kinds) => steps.includes(kind) && kinds.indexOf(kind) === i);
  t.deepEqual(seen, steps);
  t.like(first(events, "dhcp-request"), { ipxe: true, userClasses: ["iPXE"], architectures: [0] });
  t.like(first(events, "dhcp-ack"), { ip: "10.7.0.42", bootFile: "http://10.7.0.1/boot.ipxe" });
  t.like(first(events, "tftp-done"), { file: "blob", bytes: 150_000 });
  t.like(first(events, "http-done"), { path: "/boot.ipxe", status: 200, complete: true });
});

test("iPXE understands all that it is told, secrets too, which are not reported", async (t) => {
  const events = await chain;
  const done = events.findLast(({ kind }) => kind === "http-request")!;
  const { searchParams, pathname } = new URL(String(done.data["path"]), "http://10.7.0.1");
  t.is(pathname, "/done");
  t.deepEqual(Object.fromEntries(searchParams), {
    user: "ali",
    secret: "baba",
    keep: "1",
    drive: "0x81",
    iqn: "iqn.2024-01.com.example:guest",
    host: "guest",
    domain: "lab.example",
    dns: "10.7.0.5",
    ip: "10.7.0.42",
    mask: "255.255.255.0",
  });
  const dhcp = events.filter(({ kind }) => kind.startsWith("dhcp-"));
  t.notRegex(JSON.stringify(dhcp), /ali|baba/);
});

test("with a root-path alone iPXE goes to the target, and does not wait for an IPv6 router first", async (t) => {
  const events = await san;
  const kinds = kindsOf(events);
  t.is(kinds.at(-1), "connected");
  t.like(first(events, "dhcp-ack"), { rootPath: "iscsi:10.7.0.1::::iqn.2024-01.com.example:disk" });
  t.like(events.find(({ kind, data }) => kind === "ra-sent" && data["solicited"] === true)!.data, {
    ip: "fe80::5054:ff:fe12:3456",
  });
  // Unanswered, iPXE solicits for 16 seconds, again and again, before it goes on with the IPv4 address that it has.
  const late = kinds.slice(kinds.indexOf("dhcp-ack")).filter((kind) => kind === "rs-received");
  t.true(late.length <= 2, kinds.join(" "));
});

test("EDK II takes the file for its architecture at once, in windows over TFTP", async (t) => {
  const events = await uefi;
  const dhcp = kindsOf(events).filter((kind) => kind.startsWith("dhcp-"));
  t.deepEqual(
    dhcp.filter((kind, i) => dhcp.indexOf(kind) === i),
    ["dhcp-discover", "dhcp-offer", "dhcp-request", "dhcp-ack"],
  );
  t.like(first(events, "dhcp-request"), { ipxe: false, architectures: [7] });
  t.like(first(events, "tftp-read"), { file: "boot.efi", size: 500_000, windowSize: 4 });
  t.like(first(events, "tftp-done"), { file: "boot.efi", bytes: 500_000 });
});
