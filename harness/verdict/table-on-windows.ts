import { inSameSubnet } from "#ibft";
import type { Observation } from "#harness/observe";
import type { BootFacts } from "./boot-facts.ts";
import type { Diagnosis } from "./diagnosis.ts";

/** What the verdict needs of the table that lay in memory. */
interface Nic {
  readonly mac: string;
  readonly index: number;
  readonly ip: string | null;
  readonly prefix: number;
  readonly gateway: string | null;
}

/**
 * A system that asks for the table's gateway and never for the target, though both are on its own wire: Windows' boot
 * initiator goes through the gateway whenever the table names one (Microsoft KB 960104).
 */
export function gatewayDetour(facts: BootFacts): Diagnosis | undefined {
  const { reached, system, framesAfterHandOver, plan } = facts;
  if (!reached.has("P12") || system?.fullFeatureAt !== undefined) return undefined;
  const nics = nicsOf(facts);
  const asked = questions(framesAfterHandOver, nics);
  const [first] = asked;
  if (first === undefined || asked.some(({ data }) => data["target"] === plan.portal.host)) return undefined;
  const gateway = String(first.data["target"]);
  const nic = nics.find(({ mac }) => mac === first.data["mac"]);
  const onLink = nic === undefined || inSameSubnet(nic.ip, plan.portal.host, nic.prefix);
  const answer = facts.all.find(
    ({ t, source, kind, data }) =>
      source === "wire" && kind === "arp-reply" && data["ip"] === gateway && t > first.t,
  );
  if (answer !== undefined && !onLink) return undefined;
  const named = nic?.gateway === gateway;
  const who = named ? `the iBFT's gateway ${gateway}` : gateway;
  const never = `and never for the target ${plan.portal.host}`;
  const evidence = [...asked.slice(0, 3), answer, facts.ibft].filter((one) => one !== undefined);
  if (answer === undefined)
    return {
      class: "GW-DEAD",
      confidence: named ? "certain" : "likely",
      cause: `the kernel's NIC asked for ${who}, ${never}${onLink ? ", which is on its own wire" : ""}; nobody answered`,
      advice: onLink
        ? "Windows sends through the iBFT's gateway even what is on its own wire (KB 960104), which fails at hand-over and not in firmware: drop DHCP option 3 on the SAN's subnet, or write gateway 0 or the target's own address."
        : "The way to the target leads over this gateway: is it there, and on this wire?",
      evidence,
    };
  return {
    class: "GW-ONLINK",
    confidence: "likely",
    cause: `the kernel's NIC asked for ${who}, ${never}, which is on its own wire; the gateway did not bring it there`,
    advice:
      "The system sends to the gateway what lies on its own wire (Windows does, KB 960104): drop DHCP option 3 on the SAN's subnet, write gateway 0 into the table, or let the gateway send back to the same wire.",
    evidence,
  };
}

/** A system that looks for the target with the table's first NIC, though the table says that another one reaches it. */
export function wrongFirstNic(facts: BootFacts): Diagnosis | undefined {
  const { reached, system, framesAfterHandOver, plan, ibft } = facts;
  if (!reached.has("P12") || system !== undefined) return undefined;
  const nics = nicsOf(facts);
  const [first] = nics;
  const [target] = (tableOf(facts)?.["targets"] ?? []) as readonly { readonly nic: number }[];
  const wanted = nics.find(({ index }) => index === target?.nic);
  if (first === undefined || wanted === undefined || first.mac === wanted.mac) return undefined;
  const asked = questions(framesAfterHandOver, nics).filter(
    ({ data }) => data["target"] === plan.portal.host || data["target"] === first.gateway,
  );
  if (asked.length === 0 || asked.some(({ data }) => data["mac"] !== first.mac)) return undefined;
  return {
    class: "NIC-ORDER",
    confidence: "likely",
    cause: `the kernel looked for the target ${plan.portal.host} with ${first.mac}, the first NIC of the iBFT; it is on the wire of ${wanted.mac}`,
    advice:
      "Windows works from the first NIC that the iBFT lists: put the SAN's port first, sort NIC structures by PCI location, in memory and in the control structure.",
    evidence: [...asked.slice(0, 3), ibft].filter((one) => one !== undefined),
  };
}

/** A system that has the table and its NIC and does not even try to log in, with a secret that Microsoft's does not take. */
export function refusedSecret(facts: BootFacts): Diagnosis | undefined {
  const { reached, system, framesAfterHandOver, ibft, markers } = facts;
  if (!reached.has("P11") || system !== undefined || ibft === undefined) return undefined;
  if (framesAfterHandOver.some(({ kind }) => kind === "tcp-syn")) return undefined;
  if (questions(framesAfterHandOver, nicsOf(facts)).length > 0) return undefined;
  const lint = (ibft.data["lint"] ?? []) as readonly { readonly rule: string; readonly message: string }[];
  const length = lint.find(({ rule }) => rule === "R69");
  if (length === undefined) return undefined;
  return {
    class: "CHAP-LEN",
    confidence: "likely",
    cause: `the kernel never tried to log in, and in the iBFT ${length.message.split(";", 1)[0]}`,
    advice:
      "Microsoft's initiator takes CHAP secrets of 12 to 16 bytes and says nothing about others: change the secret, or leave credentials that the target does not ask for out of the table.",
    evidence: [ibft, markers.get("stopped")].filter((one) => one !== undefined),
  };
}

/** ARP requests for others: a system also asks for its own address, to learn whether somebody has it already. */
function questions(frames: readonly Observation[], nics: readonly Nic[]): readonly Observation[] {
  return frames.filter(
    ({ kind, data }) =>
      kind === "arp-request" &&
      data["target"] !== data["ip"] &&
      !nics.some(({ ip }) => ip !== null && ip === data["target"]),
  );
}

function nicsOf(facts: BootFacts): readonly Nic[] {
  return (tableOf(facts)?.["nics"] ?? []) as readonly Nic[];
}

function tableOf({ ibft }: BootFacts): Readonly<Record<string, unknown>> | undefined {
  return ibft?.data["table"] as Readonly<Record<string, unknown>> | undefined;
}
