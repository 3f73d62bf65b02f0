import test from "ava";
import { closure, parseDepends, parseUris } from "../../vm-images/debian-packages.ts";

// As apt 2.6 prints it, cut down.
const depends = `open-iscsi
 |PreDepends: debconf
  PreDepends: <debconf-2.0>
    cdebconf
    debconf
  Depends: libc6
  Depends: libkmod2
 |Depends: libsystemd0
  Depends: libelogind0
    libsystemd0
  Depends: udev
debconf
cdebconf
  Depends: libdebian-installer4
<debconf-2.0>
libc6
  Depends: libgcc-s1
libgcc-s1
  Depends: libc6
libkmod2
  Depends: libc6
libsystemd0
libelogind0
  Depends: libnever
udev
  Depends: libudev1
linux-image-amd64
  Depends: linux-image-6.1.0-56-amd64
linux-image-6.1.0-56-amd64
  Depends: kmod
  Depends: zlib1g
 |Depends: linux-initramfs-tool
  Depends: initramfs-tools
`;

test("the first of several alternatives is what a package needs", (t) => {
  const graph = parseDepends(depends);
  t.deepEqual(graph.get("open-iscsi"), ["debconf", "libc6", "libkmod2", "libsystemd0", "udev"]);
});

test("libraries and the real kernel come along, package managers and daemons do not", (t) => {
  t.deepEqual(closure(["open-iscsi", "linux-image-amd64"], parseDepends(depends)), [
    "libc6",
    "libgcc-s1",
    "libkmod2",
    "libsystemd0",
    "linux-image-6.1.0-56-amd64",
    "linux-image-amd64",
    "open-iscsi",
    "zlib1g",
  ]);
});

test("file, size and checksum of each package are read from apt's list of what it would download", (t) => {
  const hash = "ba4f88f73dbc3ae9055f3c20f4523bfdbaf1ad13ff95e258924f77d20b4fbedf";
  const text = [
    `'http://mirror.example/debian/pool/main/g/glibc/libc6_2.36-9%2bdeb12u14_amd64.deb' libc6_2.36-9+deb12u14_amd64.deb 2759320 SHA256:${hash}`,
    "W: some warning",
  ].join("\n");
  t.deepEqual(parseUris(text), [
    { name: "libc6", file: "libc6_2.36-9+deb12u14_amd64.deb", bytes: 2_759_320, sha256: hash },
  ]);
});
