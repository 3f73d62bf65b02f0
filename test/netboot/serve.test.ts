import test from "ava";
import { inNamespace } from "./namespace.ts";

const facts = inNamespace<Readonly<Record<string, unknown>>>("serve.ts");

test("sanlab netboot serve gives out addresses and files, and ends with 130 when interrupted", async (t) => {
  const { listening, udhcpc, tftp, http, ack, interrupted } = await facts;
  t.like(listening, { interface: "srv0", address: "10.7.0.1", http: "http://10.7.0.1:8080/" });
  t.regex(String(udhcpc), /lease of 10\.7\.0\.50 obtained from 10\.7\.0\.1/);
  t.is(tftp, "loader");
  t.is(http, "loader");
  t.like(ack, { ip: "10.7.0.50", bootFile: "pxelinux.0", routers: ["10.7.0.1"] });
  t.is(interrupted, 130);
});

const refusals = [
  ["noFolder", "NO_FOLDER", /^cannot serve the folder \/nonexistent \(ENOENT\); name one that exists$/],
  ["noInterface", "INTERFACE_MISSING", /^there is no interface nope;/],
  ["noAddress", "ADDRESS_MISSING", /^bare has no IPv4 address; give it one with "ip address add /],
  ["noOption", "USAGE", /--interface/],
  ["badPool", "BAD_POOL", /^--pool 10\.7\.0\.50: write the first and the last address/],
  ["defaultRoute", "DEFAULT_ROUTE", /^srv0 has the default route, .* add --yes/],
] as const;
for (const [name, code, message] of refusals) {
  test(`sanlab netboot serve refuses: ${name}`, async (t) => {
    const refused = (await facts)[name];
    t.like(refused, { status: 2, code });
    t.regex((refused as { readonly message: string }).message, message);
  });
}
