import test from "ava";
import { encodeRouterAdvertisement } from "../../src/netboot/ra/router-advertisement.ts";

const prefix = {
  prefix: "fd12:3456:789a:1::",
  prefixLength: 64,
  validSeconds: 86_400,
  preferredSeconds: 14_400,
};
/** RFC 4861 §4.6.2: type 3, 4 × 8 bytes, /64, L and A, valid, preferred, reserved, prefix. */
const prefixOption = "03 04 40 c0 00015180 00003840 00000000 fd123456789a00010000000000000000";

const advertisements = [
  [
    "no default router",
    { hopLimit: 64, routerLifetime: 0, prefixes: [] },
    "86 00 0000 40 00 0000 00000000 00000000",
  ],
  [
    "a default router with a prefix",
    { hopLimit: 64, routerLifetime: 1800, prefixes: [prefix] },
    `86 00 0000 40 00 0708 00000000 00000000 ${prefixOption}`,
  ],
  [
    "link-layer address, MTU and name servers",
    {
      hopLimit: 64,
      routerLifetime: 0,
      prefixes: [prefix],
      mac: "52:54:00:12:34:56",
      mtu: 1500,
      dnsServers: ["fd12::53"],
    },
    `86 00 0000 40 00 0000 00000000 00000000 01 01 525400123456 05 01 0000 000005dc ${prefixOption}
     19 03 0000 00000708 fd120000000000000000000000000053`,
  ],
] as const;
for (const [what, advertisement, bytes] of advertisements) {
  test(`a router advertisement: ${what}`, (t) => {
    t.is(Buffer.from(encodeRouterAdvertisement(advertisement)).toString("hex"), bytes.replaceAll(/\s/g, ""));
  });
}

test("an address with a typo is refused", (t) => {
  const advertisement = { hopLimit: 64, routerLifetime: 0, prefixes: [{ ...prefix, prefix: "fd12:::" }] };
  t.throws(() => encodeRouterAdvertisement(advertisement), { code: "BAD_ADDRESS" });
});
