// Makes sure that everything sanlab needs is here: npm's packages and Debian's. It is what `npm start` and `npm test`
// run first, so it works on Node.js 20 with nothing installed, and is quick when nothing is missing.
//
//     node scripts/setup.mjs [--for=start|test]        SANLAB_NO_INSTALL=1: only tells what is missing
//
// Exit status: 0 all is here, 2 called wrongly, 3 something is missing or could not be installed.
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(here);
const pinnedNode = path.join(root, "node_modules/.bin/node");
// A user's PATH on Debian lacks the folders of mkfs.ext4, ip and the daemons.
const searchPath = [...(process.env.PATH ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"];

process.exitCode = main(process.argv.slice(2));

function main(args) {
  const purpose = /^--for=(start|test)$/.exec(args[0] ?? "--for=start")?.[1];
  if (purpose === undefined || args.length > 1) {
    return tell(2, `usage: node scripts/setup.mjs [--for=start|test]; "${args.join(" ")}" is none of it`);
  }
  const missing = missingPackages(purpose);
  const npmNeeded = !npmPackagesAreCurrent();
  if (process.env.SANLAB_NO_INSTALL === "1") {
    if (missing.length > 0)
      tell(3, `missing Debian packages:\n${list(missing)}\nTo install them:\n  ${command(missing)}`);
    if (npmNeeded)
      tell(3, "npm's packages are missing or not those of package-lock.json. To install them:\n  npm ci");
    return missing.length > 0 || npmNeeded ? 3 : 0;
  }
  const status = missing.length > 0 ? installDebian(missing, purpose) : 0;
  return status === 0 && npmNeeded ? installNpm() : status;
}

/** A package counts as there when all that is wanted of it is, wherever that came from. */
function missingPackages(purpose) {
  return JSON.parse(readFileSync(path.join(here, "debian-packages.json"), "utf8"))
    .filter((item) => item.for === "start" || item.for === purpose)
    .filter((item) => !item.probe.every(isThere));
}

function isThere(probe) {
  return probe.startsWith("/")
    ? existsSync(probe)
    : searchPath.some((folder) => isProgram(path.join(folder, probe)));
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function installDebian(missing, purpose) {
  if (!["apt-get", "dpkg"].every(isThere)) {
    return tell(
      3,
      `this is no Debian, so please install by your system's own means what gives:\n${list(missing, true)}`,
    );
  }
  const isRoot = process.getuid() === 0;
  if (!isRoot && !(isThere("sudo") && run("sudo", ["-n", "true"], "ignore") === 0)) {
    return tell(
      3,
      `sanlab needs these Debian packages:\n${list(missing)}\nInstall them once with:\n  ${command(missing)}`,
    );
  }
  tell(0, `installing Debian packages:\n${list(missing)}`);
  const argv = [...(isRoot ? [] : ["sudo", "-n"]), ...installer(missing)];
  if (run(argv[0], argv.slice(1)) !== 0) {
    return tell(
      3,
      `apt-get could not install them (see above). When that is mended, run:\n  ${command(missing)}`,
    );
  }
  const still = missingPackages(purpose);
  if (still.length === 0) return 0;
  return tell(
    3,
    `installed, but still not there:\n${list(still, true)}\nTry: apt-get install --reinstall with them`,
  );
}

function installer(missing) {
  const services = missing.flatMap((item) => item.services ?? []);
  return [
    "sh",
    path.join(here, "install-packages.sh"),
    ...services.flatMap((service) => ["--keep-off", service]),
    ...missing.map((item) => item.package),
  ];
}

/** The one command that a person has to type. */
function command(missing) {
  const line = installer(missing)
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`))
    .join(" ");
  if (process.getuid() === 0) return line;
  return isThere("sudo") ? `sudo ${line}` : `su -c "${line}"`;
}

function list(packages, withProbes = false) {
  return packages
    .map(
      (item) => `  ${item.package.padEnd(20)} ${item.why}${withProbes ? ` (${item.probe.join(", ")})` : ""}`,
    )
    .join("\n");
}

/** npm notes what it has installed; a lock file that asks for something else came with a later commit. */
function npmPackagesAreCurrent() {
  if (!isProgram(pinnedNode)) return false;
  try {
    const wanted = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8")).packages;
    const installed = JSON.parse(
      readFileSync(path.join(root, "node_modules/.package-lock.json"), "utf8"),
    ).packages;
    return Object.entries(wanted).every(([place, item]) => {
      if (!place.startsWith("node_modules/")) return true;
      const found = installed[place];
      if (found === undefined) return item.optional === true;
      return found.version === item.version && found.integrity === item.integrity;
    });
  } catch {
    return false;
  }
}

function installNpm() {
  tell(0, "installing npm's packages (npm ci)");
  // Under `npm start` this is the npm that runs; its own file is named because npm need not be in PATH.
  const npm = process.env.npm_execpath;
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const status = npm?.endsWith(".js") ? run(process.execPath, [npm, ...args]) : run("npm", args);
  if (status !== 0) return tell(3, "npm ci failed (see above); check the network and run it again: npm ci");
  if (isProgram(pinnedNode)) return 0;
  return tell(
    3,
    `npm ci made no ${pinnedNode}: let npm run the install script of the package "node" (npm rebuild node)`,
  );
}

/** Runs a program to its end and gives its exit status; what it says goes to standard error, where all of this goes. */
function run(program, args, output = 2) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: ["ignore", output, output] });
  if (error) tell(3, `${program}: ${error.message}`);
  return status ?? 1;
}

function tell(status, message) {
  process.stderr.write(`sanlab setup: ${message}\n`);
  return status;
}
