import test from "ava";
import type { Observation } from "#harness/observe";
import { judge } from "#harness/verdict";
import { Boot } from "./helpers/boot.ts";

const san = "52:54:00:5a:4e:01";
const lan = "52:54:00:5a:4e:02";
const router = "02:00:00:00:00:fe";
const gateway = "10.77.0.254";

const nic = { mac: san, index: 0, ip: "10.77.0.100", prefix: 24, gateway: null as string | null };
const other = { mac: lan, index: 1, ip: "10.77.1.100", prefix: 24, gateway: null };
const target = { ip: "10.77.0.1", nic: 0 };

interface Table {
  readonly nics?: readonly object[];
  readonly targets?: readonly object[];
  readonly lint?: readonly object[];
}

/** A kernel that has found this table on a machine with both cards. */
function started({ nics = [nic], targets = [target], lint = [] }: Table): Boot {
  const boot = new Boot().kernel();
  const ibft = boot.observations.find(({ kind }) => kind === "ibft") as { data: Observation["data"] };
  ibft.data = { ...ibft.data, table: { nics, targets }, lint };
  const plan = boot.observations[0] as { data: Observation["data"] };
  plan.data = { ...plan.data, macs: [san, lan] };
  return boot.line("iBFT found at 0x9e620");
}

const asks = (boot: Boot, mac: string, ip: string, wanted: string) =>
  boot.wire("arp-request", { mac, ip, target: wanted });
const answers = (boot: Boot, ip: string) => boot.wire("arp-reply", { mac: router, ip, target: nic.ip });

for (const [title, boot, expected] of [
  [
    "the table's gateway is asked for, nobody answers",
    () => asks(started({ nics: [{ ...nic, gateway }] }), san, nic.ip, gateway),
    [
      "GW-DEAD",
      "certain",
      /the iBFT's gateway 10\.77\.0\.254, and never .* on its own wire; nobody answered/,
    ],
  ],
  [
    "the gateway answers, and nothing comes of it",
    () => answers(asks(started({ nics: [{ ...nic, gateway }] }), san, nic.ip, gateway), gateway),
    ["GW-ONLINK", "likely", /never for the target 10\.77\.0\.1, which is on its own wire/],
  ],
  [
    "an answer from before does not count",
    () => asks(answers(started({ nics: [{ ...nic, gateway }] }), gateway), san, nic.ip, gateway),
    ["GW-DEAD", "certain", /nobody answered/],
  ],
  [
    "the target lies behind the gateway, which is dead",
    () => asks(started({ nics: [{ ...nic, prefix: 32, gateway }] }), san, nic.ip, gateway),
    ["GW-DEAD", "certain", /never for the target 10\.77\.0\.1; nobody answered/],
  ],
  [
    "the target lies behind the gateway, which answers",
    () => answers(asks(started({ nics: [{ ...nic, prefix: 32, gateway }] }), san, nic.ip, gateway), gateway),
    ["TCP-UNREACHABLE", "guess", /never connected/],
  ],
  [
    "the target is asked for as well",
    () =>
      asks(asks(started({ nics: [{ ...nic, gateway }] }), san, nic.ip, gateway), san, nic.ip, "10.77.0.1"),
    ["TCP-UNREACHABLE", "guess", /never connected/],
  ],
  [
    "the system asks whether its own address is taken",
    () => asks(asks(started({}), san, nic.ip, nic.ip), san, "0.0.0.0", nic.ip),
    ["TCP-UNREACHABLE", "guess", /never connected/],
  ],
  [
    "the first NIC asks for a target that the second reaches",
    () =>
      asks(
        started({
          nics: [
            { ...other, index: 0 },
            { ...nic, index: 1 },
          ],
          targets: [{ ...target, nic: 1 }],
        }),
        lan,
        other.ip,
        "10.77.0.1",
      ),
    [
      "NIC-ORDER",
      "likely",
      /with 52:54:00:5a:4e:02, the first NIC of the iBFT; it is on the wire of 52:54:00:5a:4e:01/,
    ],
  ],
  [
    "the first NIC asks for a target of its own",
    () => asks(started({ nics: [nic, other] }), san, nic.ip, "10.77.0.1"),
    ["TCP-UNREACHABLE", "guess", /never connected/],
  ],
  [
    "a secret of eight bytes, and no attempt",
    () =>
      started({
        lint: [{ rule: "R69", message: "the secret has 8 bytes; predicted for Windows: no login" }],
      }).activity({ "udp:5353": 1 }),
    ["CHAP-LEN", "likely", /never tried to log in, and in the iBFT the secret has 8 bytes$/],
  ],
  [
    "a secret of eight bytes, and nothing but the announcement of its own address",
    () =>
      asks(
        asks(started({ lint: [{ rule: "R69", message: "the secret has 8 bytes" }] }), san, "0.0.0.0", nic.ip),
        san,
        nic.ip,
        nic.ip,
      ),
    ["CHAP-LEN", "likely", /never tried to log in/],
  ],
  [
    "a secret of eight bytes, and a question for the target",
    () =>
      asks(started({ lint: [{ rule: "R69", message: "the secret has 8 bytes" }] }), san, nic.ip, "10.77.0.1"),
    ["TCP-UNREACHABLE", "guess", /never connected/],
  ],
  [
    "a secret of eight bytes, and an attempt",
    () => started({ lint: [{ rule: "R69", message: "the secret has 8 bytes" }] }).syn(2),
    ["TCP-UNREACHABLE", "guess", /was not answered/],
  ],
] as readonly (readonly [string, () => Boot, readonly [string, string, RegExp]])[]) {
  test(`a kernel that goes Windows' ways with its table: ${title}`, (t) => {
    const { outcome, class: name, confidence, summary, advice } = judge(boot().end("timeout"));
    t.deepEqual([outcome, name, confidence], ["fail", expected[0], expected[1]], summary);
    t.regex(summary, expected[2]);
    t.true(advice.length > 20);
  });
}
