// Behind a homeserver: who may administer it, and for whom that is left out.
import assert from "node:assert/strict";

import { OAuth2 } from "matrix-js-sdk";

import { person, run, server, step } from "../../harness.mjs";
import { clientId, metadata, redeem, redirectUri } from "./lib/devices.mjs";

const administration = "urn:synapse:admin:*";

/** Logs user in with an application that wants to administer the homeserver. */
async function logIn(user) {
  const oauth = new OAuth2(metadata, { clientId });
  const url = new URL(await oauth.generateAuthorizationCodeGrantUrl(crypto.randomUUID(), redirectUri, "query"));
  url.searchParams.set("scope", `${url.searchParams.get("scope")} ${administration}`);
  const arrival = await person({ url: url.href, stopAt: redirectUri, user });
  assert.ok(arrival.location, `the person ended at ${arrival.url}: ${arrival.text}`);
  return redeem(user, { oauth, code: new URL(arrival.location).searchParams.get("code") });
}

/** Asks for the list of all users, which administrators get. */
const users = (client) => fetch(`${server}/_synapse/admin/v2/users?limit=1&guests=false`, { headers: { Authorization: `Bearer ${client.getAccessToken()}` } });

await step("whoever the configuration names administers the homeserver with what asks for it", async () => {
  const answer = await users(await logIn("root"));
  assert.equal(answer.status, 200);
  assert.ok((await answer.json()).total >= 1);
});

await step("anybody else logs in as always, and does not", async () => {
  const client = await logIn(`erin-${run}`);
  assert.equal((await client.whoami()).device_id, client.getDeviceId());
  assert.equal((await users(client)).status, 403);
});
