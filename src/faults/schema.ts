import { UsageError } from "#core";
import { findField, isOpcodeName, Opcode, opcodeSender } from "ts-iscsi-pdu";
import { LineCounter, isMap, isSeq, parseDocument, type Document, type Node } from "yaml";
import { z } from "zod";
import type { FaultAction, FaultMatch, FaultPlan } from "./plan.ts";

const count = z.int().min(0);
const byte = z.int().min(0).max(255);

/** An action is written as one key: `delay: 500`, `close: rst`, `sense: { key: 3, asc: 0x11, ascq: 0 }`. */
const actions = {
  delay: count.transform((milliseconds): FaultAction => ({ kind: "delay", milliseconds })),
  stall: z.literal(true).transform((): FaultAction => ({ kind: "stall" })),
  drop: z.literal(true).transform((): FaultAction => ({ kind: "drop" })),
  close: z.enum(["fin", "rst"]).transform((how): FaultAction => ({ kind: "close", how })),
  status: byte.transform((status): FaultAction => ({ kind: "status", status })),
  sense: z
    .strictObject({ key: z.int().min(0).max(15), asc: byte, ascq: byte })
    .transform((sense): FaultAction => ({ kind: "sense", ...sense })),
  set: z
    .strictObject({ field: z.string(), value: count })
    .transform((set): FaultAction => ({ kind: "set", ...set })),
  flip: z
    .strictObject({ where: z.enum(["header", "data", "digest"]), bits: z.int().min(1).default(1) })
    .transform((flip): FaultAction => ({ kind: "flip", ...flip })),
  reorder: z
    .int()
    .min(1)
    .transform((by): FaultAction => ({ kind: "reorder", by })),
  truncate: count.transform((bytes): FaultAction => ({ kind: "truncate", bytes })),
  async: z
    .strictObject({ event: byte, parameter3: count.optional() })
    .transform(({ event, parameter3 }): FaultAction => ({
      kind: "async",
      event,
      ...(parameter3 !== undefined && { parameter3 }),
    })),
  reject: byte.transform((reason): FaultAction => ({ kind: "reject", reason })),
  window: z
    .int()
    .min(1)
    .transform((commands): FaultAction => ({ kind: "window", commands })),
  refuse: z
    .strictObject({ class: byte, detail: byte })
    .transform((refusal): FaultAction => ({ kind: "refuse", ...refusal })),
  redirect: z
    .strictObject({ address: z.string().min(1), permanent: z.boolean().default(false) })
    .transform((redirect): FaultAction => ({ kind: "redirect", ...redirect })),
  "remove-lun": z.literal(true).transform((): FaultAction => ({ kind: "remove-lun" })),
} as const;

const action = z
  .strictObject(actions)
  .partial()
  .transform((given, context): FaultAction => {
    const chosen = Object.values(given).filter((value) => value !== undefined);
    const [only] = chosen;
    if (only !== undefined && chosen.length === 1) return only;
    context.addIssue({ code: "custom", message: `exactly one of ${Object.keys(actions).join(", ")}` });
    return z.NEVER;
  });

const match = z
  .strictObject({
    pdu: z
      .string()
      .refine(isOpcodeName, { error: `one of ${Object.keys(Opcode).join(", ")}` })
      .optional(),
    fields: z.record(z.string(), count).optional(),
    scsi: z.string().min(1).optional(),
    lba: z.tuple([count, count]).optional(),
    lun: count.optional(),
    login: z.enum(["security", "operational", "any"]).optional(),
    key: z.string().optional(),
    session: count.optional(),
    initiator: z.string().optional(),
  })
  .refine(({ pdu, scsi, login }) => [pdu, scsi, login].filter((where) => where !== undefined).length === 1, {
    error: "exactly one of pdu, scsi and login",
  })
  .refine(
    ({ pdu, fields }) =>
      pdu === undefined ||
      Object.keys(fields ?? {}).every((name) => findField(Opcode[pdu], name) !== undefined),
    { error: "a field that this PDU does not have" },
  );

/** What can be done where: to the target's PDUs, to the initiator's, to commands, to logins. */
const always = ["delay", "stall", "close", "async", "window"] as const;
const allowed: Readonly<Record<string, readonly FaultAction["kind"][]>> = {
  "a PDU of the target": [...always, "drop", "set", "flip", "reorder", "truncate"],
  "a PDU of the initiator": [...always, "drop", "set", "reject"],
  "a SCSI command": [...always, "status", "sense", "remove-lun"],
  "a login": ["delay", "stall", "close", "drop", "refuse", "redirect"],
};

function placeOf({ pdu, scsi }: FaultMatch): string {
  if (pdu !== undefined)
    return opcodeSender(Opcode[pdu]) === "target" ? "a PDU of the target" : "a PDU of the initiator";
  return scsi === undefined ? "a login" : "a SCSI command";
}

const plan = z.strictObject({
  seed: z.int().min(0).optional(),
  rules: z.array(
    z
      .strictObject({
        id: z.string().min(1),
        on: match,
        when: z
          .strictObject({
            after: count,
            every: z.int().min(1),
            times: z.int().min(1),
            chance: z.number().min(0).max(1),
          })
          .partial()
          .optional(),
        do: action,
      })
      .superRefine((rule, context) => {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- zod says "or undefined" of what may be left out
        const place = placeOf(rule.on as FaultMatch);
        if (allowed[place]?.includes(rule.do.kind) === true) return;
        context.addIssue({
          code: "custom",
          path: ["do"],
          message: `${rule.do.kind} cannot be done to ${place}`,
        });
      }),
  ),
});

/**
 * Reads a fault plan from YAML. Without a seed it makes one, for the caller to print.
 * @throws UsageError BAD_FAULTS with file, line, column and what is wrong there.
 */
export function readFaultPlan(text: string, file: string): FaultPlan {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken !== undefined) throw fail(file, lines, broken.pos[0], broken.message);
  const checked = plan.safeParse(document.toJS());
  if (!checked.success) {
    const [issue] = checked.error.issues;
    const at = issue === undefined ? 0 : positionOf(document, issue.path);
    throw fail(file, lines, at, `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not a fault plan"}`);
  }
  const seed = checked.data.seed ?? Math.floor(Math.random() * 2 ** 32);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- zod says "or undefined" of what may be left out
  return { seed, rules: checked.data.rules } as FaultPlan;
}

function fail(file: string, lines: LineCounter, position: number, message: string): UsageError {
  const { line, col } = lines.linePos(position);
  return new UsageError("BAD_FAULTS", `${file}:${line}:${col}: ${message}`, {
    details: { file, line, column: col },
  });
}

/** Where in the text the deepest part of a path that exists begins. */
function positionOf(document: Document, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  for (const step of path) {
    const next: unknown =
      isMap(node) || isSeq(node) ? node.get(typeof step === "symbol" ? "" : step, true) : undefined;
    if (next === undefined || next === null) break;
    node = next;
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a document contains are nodes
  return (node as Node | null)?.range?.[0] ?? 0;
}
