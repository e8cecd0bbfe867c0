// Behind a homeserver: programs that end in the middle of what people do.
import assert from "node:assert/strict";

import { machine, person, run, step } from "../../harness.mjs";
import { setUp } from "../lib/crypto.mjs";
import { ask, devices, eventually, expectRefused, logIn, metadata, redeem, userId } from "./lib/devices.mjs";

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

await step("Keymaker is killed in a login: the code waits for it", async () => {
  const asked = await ask(`frank-${run}`);
  await machine("hold synapse");
  const cut = assert.rejects(redeem(`frank-${run}`, asked));
  await machine("kill keymaker");
  await cut;
  await machine("release synapse");
  await machine("start keymaker");
  const client = await redeem(`frank-${run}`, asked);
  assert.equal((await client.whoami()).device_id, asked.oauth.context.deviceId);
  assert.equal(Object.keys(await devices(client)).length, 3);
});

await step("the homeserver is away in a logout, and Keymaker is killed before it is back", async () => {
  const client = await logIn(`frank-${run}`);
  await client.whoami();
  await machine("stop synapse");
  await client.logout(true);
  await machine("kill keymaker");
  await machine("start synapse");
  await machine("start keymaker");
  await eventually(() => expectRefused(client));
  await eventually(async () => assert.equal((await devices(watch))[client.getDeviceId()], undefined));
  assert.equal(Object.keys(await devices(watch)).length, 3);
});

await step("the homeserver is away in a reset: it is done once it is back", async () => {
  const user = `grace-${run}`;
  const [first, second] = [await logIn(user), await logIn(user)];
  await first.initRustCrypto({ useIndexedDB: false });
  await setUp(first);
  await second.initRustCrypto({ useIndexedDB: false });
  await machine("stop synapse");
  const url = `${metadata.account_management_uri}?action=org.matrix.cross_signing_reset`;
  const page = await person({ url, user, decision: "look", browser: user });
  const device = page.links.find((link) => link.includes(second.getDeviceId()));
  const end = await person({ url: device ?? url, user, browser: user });
  assert.ok(end.asked, `the person ended at ${end.url}: ${end.text}`);
  await machine("kill keymaker");
  await machine("start keymaker");
  await machine("start synapse");
  await eventually(() => setUp(second));
  assert.equal(await second.getCrypto().userHasCrossSigningKeys(userId(user), true), true);
});
