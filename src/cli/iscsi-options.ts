import { readFile } from "node:fs/promises";
import { InvalidArgumentError, type Command } from "commander";
import { UsageError } from "#core";
import { parseIscsiUrl, type ChapOptions, type IscsiUrl } from "#initiator";
import { decodeIsid, isOperationalKey, operationalKeys, type OperationalValues } from "ts-iscsi-pdu";

/** What all `sanlab iscsi` commands take. */
export interface IscsiOptions {
  readonly param?: Readonly<Record<string, string>>;
  readonly initiator: string;
  readonly isid?: string;
  readonly lun?: number;
  readonly timeout: number;
  readonly trace?: string;
  readonly chap?: string;
  readonly chapSecretFile?: string;
  readonly mutualChap?: string;
  readonly mutualChapSecretFile?: string;
  readonly json?: true;
}

/** What a command without these options uses. */
export const defaultIscsiOptions: IscsiOptions = {
  initiator: "iqn.2026-01.org.sanlab:initiator",
  timeout: 30,
};

/** Adds the common options to a command. */
export function withIscsiOptions(command: Command): Command {
  return command
    .option(
      "--param <key=value>",
      "offer this for a key of RFC 7143, as HeaderDigest=CRC32C,None; repeatable",
      collect,
    )
    .option("--initiator <iqn>", "this side's name", defaultIscsiOptions.initiator)
    .option("--isid <hex>", "this side's session identifier, 12 hexadecimal digits")
    .option("--lun <n>", "logical unit, instead of the URL's", count)
    .option("--timeout <seconds>", "for the whole command", positive, defaultIscsiOptions.timeout)
    .option("--trace <file.pcapng>", "record the conversation, for Wireshark")
    .option("--chap <user>", "authenticate as; the secret is in SANLAB_CHAP_SECRET or a file")
    .option("--chap-secret-file <file>", "the secret, without a line end")
    .option(
      "--mutual-chap <user>",
      "the target must prove itself; secret in SANLAB_MUTUAL_CHAP_SECRET or a file",
    )
    .option("--mutual-chap-secret-file <file>", "the target's secret")
    .option("--json", "one JSON document");
}

/**
 * Reads a URL that stood on the command line.
 * @throws UsageError SECRET_IN_URL: everybody on the machine can read a process's arguments.
 */
export function readUrl(text: string): IscsiUrl {
  const url = parseIscsiUrl(text);
  if (url.secret === undefined) return url;
  throw new UsageError(
    "SECRET_IN_URL",
    "a secret on the command line can be read by everybody on this machine; put it in SANLAB_CHAP_SECRET or a file",
  );
}

/** The keys given with `--param`, checked by the table of operational keys. */
export function readKeys(params: Readonly<Record<string, string>> = {}): Partial<OperationalValues> {
  const values = Object.entries(params).map(([name, text]) => {
    if (!isOperationalKey(name)) {
      throw new UsageError(
        "UNKNOWN_KEY",
        `--param ${name}: no such key; known are ${Object.keys(operationalKeys).join(", ")}`,
      );
    }
    const rule = operationalKeys[name];
    const good = text.split(",").every((part) => rule.parse(part) !== undefined);
    if (!good)
      throw new UsageError("BAD_KEY_VALUE", `--param ${name}: ${JSON.stringify(text)} is not ${rule.range}`);
    return [name, text.includes(",") ? text : rule.parse(text)] as const;
  });
  return Object.fromEntries(values);
}

/** User and secret from options, environment and files; undefined where nobody asked to authenticate. */
export async function readChap(url: IscsiUrl, options: IscsiOptions): Promise<ChapOptions | undefined> {
  const user = options.chap ?? url.user;
  if (user === undefined) return undefined;
  const secret = await readSecret("SANLAB_CHAP_SECRET", "--chap-secret-file", options.chapSecretFile);
  if (options.mutualChap === undefined) return { user, secret };
  const mutualSecret = await readSecret(
    "SANLAB_MUTUAL_CHAP_SECRET",
    "--mutual-chap-secret-file",
    options.mutualChapSecretFile,
  );
  return { user, secret, mutual: { user: options.mutualChap, secret: mutualSecret } };
}

export function readIsid(text: string | undefined) {
  if (text === undefined) return undefined;
  if (/^[0-9a-fA-F]{12}$/.test(text)) return decodeIsid(Buffer.from(text, "hex"));
  throw new UsageError(
    "BAD_ISID",
    `--isid ${JSON.stringify(text)}: write 12 hexadecimal digits, as 800000000001`,
  );
}

async function readSecret(variable: string, option: string, file: string | undefined): Promise<string> {
  const text =
    file === undefined ? process.env[variable] : (await readFile(file, "utf8")).replace(/\r?\n$/, "");
  if (text !== undefined && text !== "") return text;
  throw new UsageError("NO_SECRET", `no CHAP secret is given; set ${variable} or use ${option}`);
}

/** A whole number from 0 on. */
export function count(text: string): number {
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw new InvalidArgumentError("It has to be a whole number.");
  return Number(text);
}

export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 2 ** 31)) throw new InvalidArgumentError("It has to be a number above zero.");
  return value;
}

/** Bytes, with k, M or G for powers of 1024. */
export function bytes(text: string): number {
  const match = /^(\d+)([kKmMgG]?)$/.exec(text);
  const value =
    Number(match?.[1]) *
    { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }[(match?.[2] ?? "").toLowerCase() as "" | "k" | "m" | "g"];
  if (!(value > 0)) throw new InvalidArgumentError("It has to be a size, as 4k or 1M.");
  return value;
}

function collect(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const split = text.indexOf("=");
  if (split < 1) throw new InvalidArgumentError("It has to be Key=Value, as DataDigest=CRC32C.");
  return { ...before, [text.slice(0, split)]: text.slice(split + 1) };
}
