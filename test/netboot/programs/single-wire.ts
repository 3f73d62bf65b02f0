/** One wire, with or without koffi: udhcpc on it, and the errors that a machine gives. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { registerHooks } from "node:module";
import { createServer } from "node:net";
import { SanlabError } from "#core";
import type { NetbootOptions } from "#netboot";
import { Events, runToEnd, sh } from "./support.ts";

if (process.argv.includes("without-koffi")) {
  registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier === "koffi") throw new Error("koffi is not installed");
      return next(specifier, context);
    },
  });
}
const { Netboot } = await import("#netboot");

/** A machine without any privilege gets no further than this. */
const made = sh(
  "ip link set lo up; ip link add srv0 type veth peer name cli0 2>/dev/null && echo made || true",
);
if (made !== "") sh("ip address add 10.7.0.1/24 dev srv0; ip link set srv0 up; ip link set cli0 up");
const wire = {
  name: made === "" ? "lo" : "srv0",
  address: made === "" ? "127.0.0.1" : "10.7.0.1",
  prefixLength: 24,
};

async function attempt(options: Partial<NetbootOptions>): Promise<unknown> {
  try {
    await using _netboot = await Netboot.start({ interfaces: [wire], ...options });
    return "started";
  } catch (error) {
    if (!(error instanceof SanlabError)) throw error;
    return { code: error.code, status: error.exitStatus, message: error.message };
  }
}

const result: Record<string, unknown> = {};
result["dhcp"] = await attempt({ dhcp: {} });
result["ra"] = await attempt({ ra: {} });
result["two"] = await attempt({ interfaces: [wire, { ...wire, address: "127.0.0.1" }], dhcp: {} });
if (made !== "") {
  const events = new Events();
  {
    await using _netboot = await Netboot.start({ interfaces: [wire], dhcp: {}, report: events.report });
    result["udhcpc"] = await runToEnd([
      "busybox",
      "udhcpc",
      "-f",
      "-q",
      "-n",
      "-i",
      "cli0",
      "-s",
      "/bin/true",
    ]);
    result["inUseByUs"] = await attempt({ dhcp: {} });
  }
  result["kinds"] = events.all.map(({ kind }) => kind);

  const other = createSocket({ type: "udp4", reuseAddr: true }).bind(67);
  await once(other, "listening");
  result["inUse"] = await attempt({ dhcp: {} });
  other.close();
  const pxe = createSocket("udp4").bind(4011);
  await once(pxe, "listening");
  result["inUse4011"] = await attempt({ dhcp: {} });
  pxe.close();
  const http = createServer().listen(80, "10.7.0.1");
  await once(http, "listening");
  result["inUse80"] = await attempt({ http: {}, tftp: {}, dhcp: {} });
  http.close();
  result["again"] = await attempt({ http: {}, tftp: {}, dhcp: {} });
  result["noInterface"] = await attempt({ interfaces: [{ ...wire, name: "nope" }], dhcp: {} });
  result["noInterfaceRa"] = await attempt({ interfaces: [{ ...wire, name: "nope" }], ra: {} });
  result["noAddress"] = await attempt({ interfaces: [{ ...wire, address: "10.7.0.9" }], tftp: {} });
  result["noAddressHttp"] = await attempt({ interfaces: [{ ...wire, address: "10.7.0.9" }], http: {} });
}
process.stdout.write(JSON.stringify(result), () => process.exit(0));
