import { createHash } from "node:crypto";
import type { ChapAlgorithm, ChapOptions } from "#initiator";
import type { OperationalValues, TextKey } from "ts-iscsi-pdu";
import test, { type ExecutionContext } from "ava";
import { checkChapOptions } from "../../src/initiator/chap.ts";
import { LoginMachine, type LoginStep } from "../../src/initiator/login-machine.ts";

const [security, operational, full] = [0, 1, 3];
const base = { where: "san:3260", initiator: "iqn.2001-04.com.example:me", leading: true };
const chap: ChapOptions = { user: "alice", secret: "correct horse battery" };
const mutual: ChapOptions = { ...chap, mutual: { user: "bob", secret: "staple of another" } };

const make = (
  options: {
    chap?: ChapOptions;
    algorithms?: readonly ChapAlgorithm[];
    wishes?: Partial<OperationalValues>;
    target?: string | undefined;
    leading?: boolean;
  } = {},
) =>
  new LoginMachine({
    ...base,
    target: "iqn.2001-04.com.example:disk",
    wishes: {},
    algorithms: ["SHA-256", "MD5"],
    ...options,
  });

/** Answers each offered key by its own value. */
const agree = (step: LoginStep): readonly TextKey[] =>
  step.keys.filter(([name]) => !["MaxRecvDataSegmentLength"].includes(name));
const value = (step: LoginStep | undefined, key: string) => step?.keys.find(([name]) => name === key)?.[1];

test("names, session type and method go out once, in the first request", (t) => {
  const machine = make();
  const first = machine.start();
  t.deepEqual(first, {
    csg: 0,
    nsg: 1,
    keys: [
      ["InitiatorName", base.initiator],
      ["TargetName", "iqn.2001-04.com.example:disk"],
      ["SessionType", "Normal"],
      ["AuthMethod", "None"],
    ],
  });
  const second = machine.next({
    csg: security,
    nsg: operational,
    transit: true,
    keys: [
      ["AuthMethod", "None"],
      ["TargetPortalGroupTag", "7"],
      ["TargetAlias", "Disk"],
    ],
  });
  t.is(second?.csg, 1);
  t.is(second?.nsg, 3);
  t.is(value(second, "InitiatorName"), undefined);
  t.is(value(second, "HeaderDigest"), "None");
  t.is(machine.next({ csg: operational, nsg: full, transit: true, keys: agree(second!) }), undefined);
  t.is(machine.portalGroup, 7);
  t.is(machine.targetAlias, "Disk");
});

test("a discovery session names no target and offers no keys of normal sessions", (t) => {
  const machine = make({ target: undefined });
  const first = machine.start();
  t.is(value(first, "TargetName"), undefined);
  t.is(value(first, "SessionType"), "Discovery");
  const second = machine.next({ csg: security, nsg: operational, transit: true, keys: [] });
  t.is(value(second, "MaxBurstLength"), undefined);
  t.is(value(second, "DefaultTime2Wait"), "2");
});

test("a further connection offers only the keys of connections", (t) => {
  const machine = make({ leading: false });
  machine.start();
  const second = machine.next({ csg: security, nsg: operational, transit: true, keys: [] });
  t.deepEqual(
    second?.keys.map(([name]) => name),
    ["HeaderDigest", "DataDigest", "MaxRecvDataSegmentLength"],
  );
});

test("a target that is not ready is asked again, with answers to what it offers, but not for ever", (t) => {
  const machine = make();
  machine.start();
  const second = machine.next({ csg: security, nsg: operational, transit: true, keys: [] });
  const keys = agree(second!);
  const third = machine.next({
    csg: operational,
    nsg: 0,
    transit: false,
    keys: [...keys, ["X-com.example.A", "1"], ["OFMarker", "Yes"]],
  });
  t.deepEqual(third, {
    csg: 1,
    nsg: 3,
    keys: [
      ["X-com.example.A", "NotUnderstood"],
      ["OFMarker", "No"],
    ],
  });
  t.throws(
    () => {
      for (let i = 0; i < 50; i++)
        t.deepEqual(machine.next({ csg: operational, nsg: 0, transit: false, keys: [] })?.keys, []);
    },
    { code: "LOGIN_STUCK" },
  );
});

const breaches: readonly {
  title: string;
  answers: readonly { csg: number; nsg: number; transit: boolean; keys: readonly TextKey[] }[];
  message: RegExp;
  chap?: ChapOptions;
}[] = [
  {
    title: "an answer for another stage",
    answers: [{ csg: operational, nsg: full, transit: true, keys: [] }],
    message: /CSG|another stage/,
  },
  {
    title: "a jump over the stage that was asked for",
    answers: [{ csg: security, nsg: full, transit: true, keys: [] }],
    message: /asked for/,
  },
  {
    title: "T before this side is ready",
    answers: [{ csg: security, nsg: operational, transit: true, keys: [["AuthMethod", "CHAP"]] }],
    message: /before the initiator is ready|skips|still owes/,
    chap,
  },
  {
    title: "the end of a stage together with an offer",
    answers: [{ csg: security, nsg: operational, transit: true, keys: [["MaxConnections", "4"]] }],
    message: /still owes/,
  },
  {
    title: "no answer to the offers",
    answers: [
      { csg: security, nsg: operational, transit: true, keys: [] },
      { csg: operational, nsg: full, transit: true, keys: [] },
    ],
    message: /got no answer/,
  },
];

for (const { title, answers, message, chap: credentials } of breaches) {
  test(`refused: ${title}`, (t) => {
    const machine = make(credentials && { chap: credentials });
    machine.start();
    t.throws(
      () => {
        for (const answer of answers) machine.next(answer);
      },
      { message },
    );
  });
}

const hash = (name: string, id: number, secret: string, challenge: string) =>
  `0x${createHash(name).update(Uint8Array.of(id)).update(secret).update(Buffer.from(challenge, "hex")).digest("hex")}`;

/** Takes a machine with CHAP to the point where its response has been made. */
function challenge(t: ExecutionContext, machine: LoginMachine, keys: readonly TextKey[]): LoginStep {
  t.is(value(machine.start(), "AuthMethod"), "CHAP");
  const offer = machine.next({ csg: security, nsg: 0, transit: false, keys: [["AuthMethod", "CHAP"]] });
  t.is(offer?.nsg, undefined);
  t.deepEqual(offer?.keys, [["CHAP_A", "7,5"]]);
  const response = machine.next({ csg: security, nsg: 0, transit: false, keys });
  if (response === undefined) throw new Error("the login ended early");
  return response;
}

test("CHAP: hexadecimal and base64 challenges, T only on the last round", (t) => {
  const hexadecimal = challenge(t, make({ chap }), [
    ["CHAP_A", "7"],
    ["CHAP_I", "200"],
    ["CHAP_C", "0x0102030405"],
  ]);
  t.is(hexadecimal.nsg, 1);
  t.is(value(hexadecimal, "CHAP_R"), hash("sha256", 200, chap.secret, "0102030405"));
  const base64 = challenge(t, make({ chap }), [
    ["CHAP_A", "5"],
    ["CHAP_I", "0"],
    ["CHAP_C", "0bAQIDBAU="],
  ]);
  t.is(value(base64, "CHAP_R"), hash("md5", 0, chap.secret, "0102030405"));
});

test("CHAP: a known answer of RFC 1994's construction", (t) => {
  const response = challenge(t, make({ chap }), [
    ["CHAP_A", "5"],
    ["CHAP_I", "1"],
    ["CHAP_C", "0x01020304"],
  ]);
  // As md5sum computes it for the identifier byte, the secret and the challenge.
  t.is(value(response, "CHAP_R"), "0x1ca792cfc9f7ed724e4065559eea8bfa");
  t.is(value(response, "CHAP_N"), "alice");
});

test("CHAP both ways: the target's proof is checked, a wrong or missing one refused", (t) => {
  const first: readonly TextKey[] = [
    ["CHAP_A", "7"],
    ["CHAP_I", "9"],
    ["CHAP_C", "0x01020304"],
  ];
  for (const forge of [(proof: string) => proof, () => "0x00", () => undefined]) {
    const machine = make({ chap: mutual });
    const response = challenge(t, machine, first);
    const proof = forge(
      hash(
        "sha256",
        Number(value(response, "CHAP_I")),
        "staple of another",
        value(response, "CHAP_C")!.slice(2),
      ),
    );
    const keys: TextKey[] =
      proof === undefined
        ? []
        : [
            ["CHAP_N", "bob"],
            ["CHAP_R", proof],
          ];
    const finish = () => machine.next({ csg: security, nsg: operational, transit: true, keys });
    if (proof !== undefined && proof.length > 10) t.is(finish()?.csg, 1);
    else t.throws(finish, { code: "CHAP_FAILED" });
  }
});

test("CHAP: a challenge of our own is not answered when it comes back", (t) => {
  const mine = make({ chap: mutual });
  const response = challenge(t, mine, [
    ["CHAP_A", "7"],
    ["CHAP_I", "9"],
    ["CHAP_C", "0x01020304"],
  ]);
  const reflected = value(response, "CHAP_C")!;
  t.throws(
    () =>
      challenge(t, make({ chap: mutual }), [
        ["CHAP_A", "7"],
        ["CHAP_I", "9"],
        ["CHAP_C", reflected],
      ]),
    { message: /hands back/ },
  );
  mine[Symbol.dispose]();
});

for (const [title, keys] of [
  [
    "an algorithm that was not offered",
    [
      ["CHAP_A", "6"],
      ["CHAP_I", "1"],
      ["CHAP_C", "0x01"],
    ],
  ],
  [
    "an identifier of more than a byte",
    [
      ["CHAP_A", "7"],
      ["CHAP_I", "256"],
      ["CHAP_C", "0x01"],
    ],
  ],
  [
    "a challenge of 1025 bytes",
    [
      ["CHAP_A", "7"],
      ["CHAP_I", "1"],
      ["CHAP_C", `0x${"00".repeat(1025)}`],
    ],
  ],
  [
    "a challenge that is no binary value",
    [
      ["CHAP_A", "7"],
      ["CHAP_I", "1"],
      ["CHAP_C", "abcd"],
    ],
  ],
] as readonly [string, readonly TextKey[]][]) {
  test(`CHAP: refused: ${title}`, (t) => {
    t.throws(() => challenge(t, make({ chap }), keys), { code: "CHAP_FAILED" });
  });
}

test("CHAP: authentication that was demanded is never done without", (t) => {
  const machine = make({ chap });
  machine.start();
  t.throws(() => machine.next({ csg: security, nsg: 0, transit: false, keys: [["AuthMethod", "None"]] }), {
    code: "NOT_AUTHENTICATED",
  });
  const other = make();
  other.start();
  t.throws(() => other.next({ csg: security, nsg: 0, transit: false, keys: [["AuthMethod", "CHAP"]] }), {
    code: "AUTHENTICATION_REQUIRED",
  });
});

test("CHAP: secrets must be long enough and differ between the directions", (t) => {
  t.throws(() => checkChapOptions({ user: "a", secret: "elevenbytes" }), { code: "CHAP_SECRET_TOO_SHORT" });
  t.throws(() => checkChapOptions({ ...chap, mutual: { user: "b", secret: chap.secret } }), {
    code: "CHAP_SECRET_SHARED",
  });
  t.notThrows(() => checkChapOptions(mutual));
});
