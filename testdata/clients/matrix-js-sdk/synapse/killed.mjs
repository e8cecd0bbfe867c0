// Behind a homeserver: programs that end in the middle of what people do.
import assert from "node:assert/strict";

import { administer, machine, person, run, step } from "../../harness.mjs";
import { setUp } from "../lib/crypto.mjs";
import { ask, devices, eventually, expectRefused, logIn, master, metadata, redeem, userId } from "./lib/devices.mjs";

/** Wants work to be under way, and not to end while the homeserver is held. */
async function hangs(work) {
  const pause = new Promise((resolve) => setTimeout(resolve, 1_000, "hangs"));
  assert.equal(await Promise.race([work.then(() => "ended"), pause]), "hangs");
}

const watch = await logIn(`frank-${run}`);

await step("the homeserver is away in a login: the code waits for it", async () => {
  const asked = await ask(`frank-${run}`);
  await machine("stop synapse");
  await assert.rejects(redeem(`frank-${run}`, asked), "it redeemed a code that nobody can use");
  await machine("start synapse");
  const client = await eventually(() => redeem(`frank-${run}`, asked));
  assert.equal((await client.whoami()).device_id, asked.oauth.context.deviceId);
  assert.equal(Object.keys(await devices(client)).length, 2);
});

await step("the homeserver is killed in a login: the code waits for it, for one device", async () => {
  const asked = await ask(`frank-${run}`);
  await machine("hold synapse");
  const cut = assert.rejects(redeem(`frank-${run}`, asked));
  await hangs(cut);
  await machine("kill synapse");
  await cut;
  await machine("start synapse");
  const client = await eventually(() => redeem(`frank-${run}`, asked));
  assert.equal((await client.whoami()).device_id, asked.oauth.context.deviceId);
  assert.equal(Object.keys(await devices(client)).length, 3);
});

await step("Keymaker is killed in a login: the code waits for it", async () => {
  const asked = await ask(`frank-${run}`);
  await machine("hold synapse");
  const cut = assert.rejects(redeem(`frank-${run}`, asked));
  await hangs(cut);
  await machine("kill keymaker");
  await cut;
  await machine("release synapse");
  await machine("start keymaker");
  const client = await redeem(`frank-${run}`, asked);
  assert.equal((await client.whoami()).device_id, asked.oauth.context.deviceId);
  assert.equal(Object.keys(await devices(client)).length, 4);
});

await step("the homeserver is killed in a logout, and Keymaker before it is back", async () => {
  const client = await logIn(`frank-${run}`);
  await client.whoami();
  await machine("hold synapse");
  const gone = client.logout(true);
  await hangs(gone);
  await machine("kill synapse");
  await gone;
  await machine("kill keymaker");
  await machine("start synapse");
  await machine("start keymaker");
  await eventually(() => expectRefused(client));
  await eventually(async () => assert.equal((await devices(watch))[client.getDeviceId()], undefined));
  assert.equal(Object.keys(await devices(watch)).length, 4);
});

await step("the homeserver is killed in a reset, and Keymaker before it is back: the reset is done then", async () => {
  const user = `grace-${run}`;
  const [first, second] = [await logIn(user), await logIn(user)];
  await first.initRustCrypto({ useIndexedDB: false });
  await setUp(first);
  await second.initRustCrypto({ useIndexedDB: false });
  const before = await master(first);
  const url = `${metadata.account_management_uri}?action=org.matrix.cross_signing_reset`;
  const page = await person({ url, user, decision: "look", browser: user });
  const device = page.links.find((link) => link.includes(second.getDeviceId()));
  await machine("hold synapse");
  const approval = person({ url: device ?? url, user, browser: user });
  await hangs(approval);
  await machine("kill synapse");
  const end = await approval;
  assert.ok(end.asked, `the person ended at ${end.url}: ${end.text}`);
  await machine("kill keymaker");
  await machine("start keymaker");
  await machine("start synapse");
  await eventually(() => setUp(second));
  assert.equal(await second.getCrypto().userHasCrossSigningKeys(userId(user), true), true);
  assert.notEqual(await master(first), before);
  assert.equal(Object.keys(await devices(first)).length, 2);
});

await step("nothing is left to be told", () =>
  eventually(async () => assert.deepEqual(JSON.parse(await administer("admin", "jobs", "list", "--json")), [])),
);
