import test from "ava";
import { findQemu } from "#harness/qemu-launcher";
import { userNetwork } from "#harness/network";
import { run } from "./run.ts";

test("QEMU accepts the options and makes that network", async (t) => {
  const { options, guestAddress } = userNetwork({
    tftpFolder: "/tmp",
    bootFile: "boot.ipxe",
    hostname: "guest",
  });
  const netdev = [
    "user",
    "id=net0",
    ...Object.entries(options).flatMap(([name, value]) => [value].flat().map((one) => `${name}=${one}`)),
  ];
  const { program } = await findQemu();
  const { status, stdout } = await run(
    program,
    ["-M", "none", "-nodefaults", "-display", "none", "-monitor", "stdio", "-netdev", netdev.join(",")],
    "info network\nquit\n",
  );
  t.is(status, 0);
  t.regex(stdout, /net0: index=0,type=user,net=10\.0\.2\.0/);
  t.is<unknown, unknown>(options["dhcpstart"], guestAddress);
});

test("without boot service there are only addresses", (t) => {
  const { options, hostAddress } = userNetwork();
  t.deepEqual(Object.keys(options), ["net", "host", "dhcpstart", "dns"]);
  t.is<unknown, unknown>(options["host"], hostAddress);
});

test("its limits are told in one line", (t) => {
  t.regex(userNetwork().limits, /^[^\n]*user-mode[^\n]*rtl8139[^\n]*DHCP[^\n]*$/);
});
