import { Command } from "commander";
import { formatDesignator } from "#scsi";
import { formatPortal, LogicalUnit, normalName, type Session } from "#initiator";
import { formatIsid } from "ts-iscsi-pdu";
import { escapeText } from "../escape-text.ts";
import { count, withIscsiOptions, type IscsiOptions } from "../iscsi-options.ts";
import { findTargets, withSession } from "../iscsi-session.ts";
import { printJson } from "../output.ts";

export function discoverCommand(): Command {
  return withIscsiOptions(
    new Command("discover").description("the targets that a portal offers, and their portals"),
  )
    .argument("<url>", "iscsi://host[:port]")
    .addHelpText("after", "\nExample:\n  sanlab iscsi discover iscsi://192.0.2.1:3260")
    .action(async (url: string, options: IscsiOptions) => {
      const targets = await findTargets(url, options);
      if (options.json) return printJson({ targets });
      for (const { name, portals } of targets) {
        for (const portal of portals) {
          const tag = portal.tag === undefined ? "" : `,${portal.tag}`;
          process.stdout.write(`${escapeText(name)} ${formatPortal(portal)}${tag}\n`);
        }
      }
    });
}

export function infoCommand(): Command {
  return withIscsiOptions(
    new Command("info").description("identity, capacity, LUNs and negotiated parameters"),
  )
    .argument("<url>", "iscsi://host[:port]/target[/lun]")
    .addHelpText("after", "\nExample:\n  sanlab iscsi info iscsi://192.0.2.1/iqn.2001-04.com.example:disk/0")
    .action((url: string, options: IscsiOptions) =>
      withSession(url, options, async ({ session, lun, signal }) => {
        const facts = await look(session, lun, signal);
        if (options.json) printJson(facts);
        else process.stdout.write(render(facts));
      }),
    );
}

export function pingCommand(): Command {
  return withIscsiOptions(new Command("ping").description("NOP-Out round trips"))
    .argument("<url>", "iscsi://host[:port]/target")
    .option("--count <n>", "how many", count, 4)
    .addHelpText(
      "after",
      "\nExample:\n  sanlab iscsi ping iscsi://192.0.2.1/iqn.2001-04.com.example:disk --count 10",
    )
    .action((url: string, options: IscsiOptions & { readonly count: number }) =>
      withSession(url, options, async ({ session, signal }) => {
        const times: number[] = [];
        for (let i = 0; i < options.count; i++) {
          times.push(await session.ping({ data: Buffer.from(`ping ${i}`), signal }));
          if (!options.json) process.stdout.write(`ping ${i}: ${times.at(-1)?.toFixed(3)} ms\n`);
        }
        if (options.json) printJson({ milliseconds: times });
      }),
    );
}

type Facts = Awaited<ReturnType<typeof look>>;

async function look(session: Session, lun: number, signal: AbortSignal) {
  const luns = await session.reportLuns({ signal });
  const unit = new LogicalUnit(session, lun);
  const inquiry = await unit.inquiry({ signal });
  const disk =
    inquiry.qualifier === 0 && inquiry.deviceType === 0 ? await session.disk(lun, { signal }) : undefined;
  return {
    target: normalName(session.target ?? "", "target"),
    alias: session.targetAlias ?? null,
    portal: formatPortal(session.portal),
    portalGroup: session.portalGroup ?? null,
    isid: formatIsid(session.isid),
    tsih: session.tsih,
    chap: session.chapAlgorithm ?? null,
    parameters: session.values,
    luns: luns.map((each) => (typeof each === "number" ? each : Buffer.from(each).toString("hex"))),
    lun,
    inquiry,
    disk: disk && {
      blockSize: disk.blockSize,
      blocks: disk.size / disk.blockSize,
      size: disk.size,
      writeProtected: disk.readOnly,
      serial: disk.identity.serial ?? null,
      designators: disk.identity.designators.map(formatDesignator),
      pages: disk.identity.pages,
      capacity: disk.identity.capacity,
      limits: disk.identity.limits ?? null,
      provisioning: disk.identity.provisioning ?? null,
    },
  };
}

function render(facts: Facts): string {
  const { inquiry, disk, parameters } = facts;
  const lines: [string, string][] = [
    ["target", facts.target],
    ["alias", facts.alias ?? "-"],
    ["portal", `${facts.portal}${facts.portalGroup === null ? "" : `, group ${facts.portalGroup}`}`],
    ["session", `ISID ${facts.isid}, TSIH ${facts.tsih}, CHAP ${facts.chap ?? "none"}`],
    ["LUNs", facts.luns.join(" ")],
    [`LUN ${facts.lun}`, `${inquiry.vendor} ${inquiry.product} ${inquiry.revision}`],
  ];
  if (disk !== undefined) {
    lines.push(["capacity", `${disk.blocks} blocks of ${disk.blockSize} bytes = ${disk.size} bytes`]);
    lines.push(["serial", disk.serial ?? "-"]);
    for (const designator of disk.designators) lines.push(["identifier", designator]);
    lines.push(["VPD pages", disk.pages.map((page) => page.toString(16).padStart(2, "0")).join(" ")]);
  }
  for (const [key, value] of Object.entries(parameters)) {
    lines.push([key, typeof value === "boolean" ? (value ? "Yes" : "No") : String(value)]);
  }
  return lines.map(([name, value]) => `${name.padEnd(26)} ${escapeText(value)}\n`).join("");
}
