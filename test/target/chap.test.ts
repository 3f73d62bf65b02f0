import { createHash } from "node:crypto";
import test from "ava";
import { MemoryDevice } from "#block";
import { Session, LoginError, discover, type ChapAlgorithm } from "#initiator";
import { Target } from "#target";
import { client, iqn, url } from "./clients.ts";
import { RawClient, identity } from "./raw-client.ts";

const initiator = "iqn.2026-01.org.sanlab:client";
const auth = {
  users: { alice: "alice-secret-16b", bob: "0xbob-secret-16b" },
  mutual: { user: "target", secret: "target-secret-16" },
};

async function serve() {
  const device = new MemoryDevice(1024 * 1024);
  return Target.listen({ iqn, luns: [{ lun: 1, device }], auth, discoveryAuth: auth });
}

for (const algorithm of ["MD5", "SHA-1", "SHA-256", "SHA3-256"] as const satisfies readonly ChapAlgorithm[])
  test(`the own initiator logs in with ${algorithm}, both sides proved`, async (t) => {
    await using target = await serve();
    await using session = await Session.login({
      ...target.address,
      target: iqn,
      initiator,
      chap: { user: "alice", secret: "alice-secret-16b", mutual: auth.mutual, algorithms: [algorithm] },
    });
    t.is(session.state, "full-feature");
  });

test("libiscsi logs in with CHAP, and not with the wrong secret", async (t) => {
  await using target = await serve();
  const { host, port } = target.address;
  const at = (secret: string) => `iscsi://alice%${secret}@${host}:${port}/${iqn}/1`;
  t.regex((await client("iscsi-inq", [at("alice-secret-16b")])).stdout, /SANLAB/);
  t.notRegex((await client("iscsi-inq", [at("alice-secret-17b")])).stdout, /SANLAB/);
  t.notRegex((await client("iscsi-inq", [url(target.address)])).stdout, /SANLAB/);
});

test("a wrong secret, an unknown user and a wrong proof of the target are told apart by the initiator only", async (t) => {
  await using target = await serve();
  const login = (chap: { user: string; secret: string }) =>
    Session.login({ ...target.address, target: iqn, initiator, chap });
  for (const chap of [
    { user: "alice", secret: "wrong-secret-16b" },
    { user: "mallory", secret: "alice-secret-16b" },
  ])
    await t.throwsAsync(login(chap), { instanceOf: LoginError });
});

test("discovery can demand authentication too", async (t) => {
  await using target = await serve();
  await t.throwsAsync(discover({ ...target.address, initiator }), { instanceOf: LoginError });
  const found = await discover({
    ...target.address,
    initiator,
    chap: { user: "alice", secret: "alice-secret-16b" },
  });
  t.is(found[0]?.name, iqn);
});

test("the exchange is that of RFC 1994: MD5 of identifier, secret, challenge; T is refused until it has passed", async (t) => {
  await using target = await serve();
  using client = await RawClient.connect(target.address);
  const security = { csg: 0, nsg: 3 };
  const first = await client.login({ ...identity, AuthMethod: "None,CHAP" }, security);
  t.is(first.keys.get("AuthMethod"), "CHAP");
  t.false(first.transit, "not before the proof, though the initiator says that it is ready");
  const second = await client.login({ CHAP_A: "9,5,7" }, security);
  t.is(second.keys.get("CHAP_A"), "5", "the initiator's first choice that is known");
  const response = createHash("md5")
    .update(Uint8Array.of(Number(second.keys.get("CHAP_I"))))
    .update("0xbob-secret-16b")
    .update(Buffer.from(second.keys.get("CHAP_C")!.slice(2), "hex"))
    .digest();
  const third = await client.login({ CHAP_N: "bob", CHAP_R: `0b${response.toString("base64")}` }, security);
  t.is(third.status, 0);
  t.true(third.transit);
});

test("a challenge that is handed back is refused", async (t) => {
  await using target = await serve();
  using client = await RawClient.connect(target.address);
  const security = { csg: 0, nsg: 1 };
  await client.login({ ...identity, AuthMethod: "CHAP" }, security);
  const { keys } = await client.login({ CHAP_A: "7" }, security);
  const response = createHash("sha256")
    .update(Uint8Array.of(Number(keys.get("CHAP_I"))))
    .update("alice-secret-16b")
    .update(Buffer.from(keys.get("CHAP_C")!.slice(2), "hex"))
    .digest();
  const answer = await client.login(
    {
      CHAP_N: "alice",
      CHAP_R: `0x${response.toString("hex")}`,
      CHAP_I: keys.get("CHAP_I")!,
      CHAP_C: keys.get("CHAP_C")!,
    },
    security,
  );
  t.is(answer.status, 0x0201);
  t.false(answer.keys.has("CHAP_R"));
});
