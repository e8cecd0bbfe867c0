// Cross-signing with the SDK's crypto, from the first keys to a reset that a
// person approves (MSC4312).
import assert from "node:assert/strict";

import { createClient, OAuth2 } from "matrix-js-sdk";

import { person, server, serverName, step } from "../harness.mjs";
import { asked, setUp } from "./lib/crypto.mjs";

const redirectUri = "https://app.example.com/callback";
const userId = `@alice:${serverName}`;
const metadata = await createClient({ baseUrl: server }).getAuthMetadata();
const clientId = await OAuth2.registerClient(metadata, {
  client_name: "The SDK",
  client_uri: "https://example.com/",
  redirect_uris: [redirectUri],
  application_type: "web",
});

/** Logs alice in on a new device, with crypto that lives in memory. */
async function newDevice() {
  const oauth = new OAuth2(metadata, { clientId });
  const url = await oauth.generateAuthorizationCodeGrantUrl(crypto.randomUUID(), redirectUri, "query");
  const { location } = await person({ url, stopAt: redirectUri });
  const tokens = await oauth.completeAuthorizationCodeGrant(new URL(location).searchParams.get("code"), redirectUri);
  const client = createClient({ baseUrl: server, accessToken: tokens.access_token, userId, deviceId: oauth.context.deviceId });
  client.getAccountDataFromServer = async () => null; // a homeserver's: no secret is stored there
  await client.initRustCrypto({ useIndexedDB: false });
  return client;
}

/** The public keys as the server shows them to a device. */
async function published(client) {
  const answer = await client.downloadKeysForUsers([userId]);
  return {
    master: Object.values(answer.master_keys[userId]?.keys ?? {})[0],
    selfSigning: Object.keys(answer.self_signing_keys[userId]?.keys ?? {})[0],
    devices: answer.device_keys[userId],
  };
}

/** Wants a device to be signed by its owner, as the SDK sees it. */
async function expectSigned(client, deviceId) {
  await client.getCrypto().getUserDeviceInfo([userId], true);
  assert.equal(await client.getCrypto().userHasCrossSigningKeys(userId, true), true);
  const status = await client.getCrypto().getDeviceVerificationStatus(userId, deviceId);
  assert.equal(status?.signedByOwner, true);
}

const first = await step("log in, with crypto", newDevice);
const before = await step("the first cross-signing keys need no approval, and sign the device", async () => {
  await setUp(first, (makeRequest) => makeRequest(null));
  const keys = await published(first);
  assert.ok(keys.master);
  assert.ok(keys.devices[first.getDeviceId()].signatures[userId][keys.selfSigning]);
  await expectSigned(first, first.getDeviceId());
  return keys;
});

const second = await step("log in on a second device, which finds the keys of the first", async () => {
  const client = await newDevice();
  assert.equal(await client.getCrypto().userHasCrossSigningKeys(userId, true), true);
  assert.equal((await published(client)).master, before.master);
  return client;
});

await step("a reset without an approval changes nothing", async () => {
  await assert.rejects(setUp(second, (makeRequest) => makeRequest(null)), { httpStatus: 401 });
  assert.equal((await published(second)).master, before.master);
});

await step("a reset that the person approves while the client asks again", async () => {
  await setUp(second, async (makeRequest) => {
    const { session, flows, params } = await asked(makeRequest, null);
    assert.deepEqual(flows.map((flow) => flow.stages), [["m.oauth"], ["org.matrix.cross_signing_reset"], ["m.login.sso"]]);
    assert.equal((await asked(makeRequest, { session })).session, session);
    const end = await person({ url: params["m.oauth"].url });
    assert.ok(end.signed_in && end.asked, `the person ended at ${end.url}: ${end.text}`);
    await makeRequest({ session });
  });
  const keys = await published(second);
  assert.notEqual(keys.master, before.master);
  assert.ok(keys.devices[second.getDeviceId()].signatures[userId][keys.selfSigning]);
  assert.equal(keys.devices[first.getDeviceId()].signatures[userId][before.selfSigning], undefined);
  await expectSigned(second, second.getDeviceId());
});

await step("the approval was for one reset", async () => {
  await assert.rejects(setUp(second, (makeRequest) => makeRequest(null)), { httpStatus: 401 });
});

await step("a device that logs out takes its keys along", async () => {
  await first.logout(true);
  assert.deepEqual(Object.keys((await published(second)).devices), [second.getDeviceId()]);
});

for (const client of [first, second]) client.stopClient();
