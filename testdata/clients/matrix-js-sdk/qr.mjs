// Both devices of a QR login in matrix-js-sdk, from the QR code to the tokens
// and the secrets. What needs a homeserver is left out: the old device's
// encryption keys are made up.
import assert from "node:assert/strict";

import * as crypto from "@matrix-org/matrix-sdk-crypto-wasm";
import { createClient, OAuth2, OAuthGrantType } from "matrix-js-sdk";
import {
  linkNewDeviceByGeneratingQR,
  MSC4108FailureReason,
  MSC4108RendezvousSession,
  MSC4108SecureChannel,
  MSC4108SignInWithQR,
  PayloadType,
  signInByGeneratingQR,
} from "matrix-js-sdk/lib/rendezvous/index.js";

import { person, server, serverName, step } from "../harness.mjs";

await crypto.initAsync();

const anonymous = createClient({ baseUrl: server });
const metadata = await anonymous.getAuthMetadata();
const unexpected = (reason) => assert.fail(`the rendezvous failed: ${reason}`);

// What the old device hands over at the end.
const secrets = {
  cross_signing: { master_key: "bMnVpkHI4S2wXRxy+IpaKM5PIAUUkl6DE+n0YLIW/qs", self_signing_key: "pfDknmP5a0fVVRE54zhkUgJfzbNmvKcNfIWEW796bQs", user_signing_key: "8tlgLjUrrb/zGJo4YKGhDTIDCEjtJTAS/Sh2AGNLuIo" },
  backup: { algorithm: "m.megolm_backup.v1.curve25519-aes-sha2", key: "bYYv3aFLQ49jMNcOjuTtBY9EKDby2x1m3gfX81nIKRQ", backup_version: "9" },
};

/** A device that is signed in, as alice. */
async function oldDevice() {
  const redirectUri = "https://app.example.com/callback";
  const clientId = await OAuth2.registerClient(metadata, { client_name: "The old device", client_uri: "https://example.com/", redirect_uris: [redirectUri] });
  const oauth = new OAuth2(metadata, { clientId });
  const arrival = await person({ url: await oauth.generateAuthorizationCodeGrantUrl("state", redirectUri, "query"), stopAt: redirectUri });
  const tokens = await oauth.completeAuthorizationCodeGrant(new URL(arrival.location).searchParams.get("code"), redirectUri);
  const client = createClient({ baseUrl: server, accessToken: tokens.access_token, userId: `@alice:${serverName}`, deviceId: oauth.context.deviceId });
  client.getCrypto = () => ({ exportSecretsBundle: async () => secrets });
  return client;
}

/** The registration of a client that only knows the device grant. */
const registerDevice = () =>
  OAuth2.registerClient(metadata, {
    client_name: "The new device",
    client_uri: "https://example.com/",
    application_type: "native",
    grant_types: [OAuthGrantType.DeviceAuthorization, OAuthGrantType.RefreshToken],
    response_types: [],
  });

/** A device whose QR code the other one scans: the code names the session and the key. */
function scan(code, client) {
  const qr = crypto.QrCodeData.fromBytes(code);
  assert.ok(qr.rendezvousUrl.startsWith(`${server}/_matrix/client/unstable/org.matrix.msc4108/rendezvous/`));
  const session = new MSC4108RendezvousSession({ url: qr.rendezvousUrl, onFailure: unexpected });
  const channel = new MSC4108SecureChannel(session, qr.publicKey, unexpected);
  return { qr, login: new MSC4108SignInWithQR(channel, true, client, unexpected) };
}

/** A Curve25519 key in base64, which such devices take for their id. */
const newDeviceId = () => new crypto.Ecies().public_key().toBase64();

/** Both devices, with a channel between them, whichever shows the code. */
async function meet(old, shownByNew) {
  const signal = new AbortController().signal;
  const shown = await (shownByNew ? signInByGeneratingQR(anonymous, unexpected, signal) : linkNewDeviceByGeneratingQR(old, unexpected, signal));
  const { qr, login: scanned } = scan(shown.code, shownByNew ? old : undefined);
  assert.equal(qr.mode, shownByNew ? crypto.QrCodeIntent.Login : crypto.QrCodeIntent.Reciprocate);
  const [known] = await Promise.all([shown.negotiateProtocols(), scanned.negotiateProtocols()]);
  assert.equal(shownByNew ? known.serverName : qr.serverName, serverName);
  assert.equal(shown.checkCode, scanned.checkCode);
  assert.match(shown.checkCode, /^\d\d$/);
  return shownByNew ? [shown, scanned] : [scanned, shown];
}

/** Ends the session, and the timers of both devices. */
const part = (...sides) => Promise.all(sides.map((side) => side.close()));

for (const shownByNew of [true, false]) {
  await step(`a login whose code the ${shownByNew ? "new" : "old"} device shows`, async () => {
    const old = await oldDevice();
    const clientId = await registerDevice();
    const [newSide, oldSide] = await meet(old, shownByNew);
    const deviceId = newDeviceId();
    const [asked, told] = await Promise.all([newSide.deviceAuthorizationGrant({ metadata, clientId, deviceId }), oldSide.deviceAuthorizationGrant()]);
    assert.equal(told.verificationUri, asked.verificationUri);
    assert.ok(told.verificationUri.startsWith(server) && told.verificationUri.includes(asked.userCode));

    const page = await person({ url: told.verificationUri });
    assert.equal(page.status, 200, page.text);
    const [handed, { tokens, received }] = await Promise.all([
      oldSide.shareSecrets(),
      newSide.completeLoginOnNewDevice({ clientId }).then(async (tokens) => ({ tokens, received: await newSide.shareSecrets() })),
    ]);
    assert.deepEqual(handed.secrets, secrets);
    assert.deepEqual(received.secrets, { type: PayloadType.Secrets, ...secrets });

    const client = createClient({ baseUrl: server, accessToken: tokens.access_token });
    const who = await client.whoami();
    assert.equal(who.user_id, `@alice:${serverName}`);
    assert.equal(who.device_id, deviceId);
    const fresh = await new OAuth2(metadata, { clientId, deviceId }).performRefreshTokenGrant(tokens.refresh_token);
    assert.notEqual(fresh.access_token, tokens.access_token);
    await part(newSide, oldSide);
  });
}

await step("a login that the person refuses on the server's page", async () => {
  const old = await oldDevice();
  const clientId = await registerDevice();
  const [newSide, oldSide] = await meet(old, true);
  const [, told] = await Promise.all([newSide.deviceAuthorizationGrant({ metadata, clientId, deviceId: newDeviceId() }), oldSide.deviceAuthorizationGrant()]);
  await person({ url: told.verificationUri, decision: "cancel" });
  await Promise.all([
    assert.rejects(newSide.completeLoginOnNewDevice({ clientId }), { code: MSC4108FailureReason.UserCancelled }),
    assert.rejects(oldSide.shareSecrets(), { code: MSC4108FailureReason.UserCancelled }),
  ]);
  await part(newSide, oldSide);
});

await step("a login that the person refuses on the old device", async () => {
  const old = await oldDevice();
  const clientId = await registerDevice();
  const [newSide, oldSide] = await meet(old, false);
  await Promise.all([newSide.deviceAuthorizationGrant({ metadata, clientId, deviceId: newDeviceId() }), oldSide.deviceAuthorizationGrant()]);
  await Promise.all([
    assert.rejects(newSide.completeLoginOnNewDevice({ clientId }), { code: MSC4108FailureReason.UserCancelled }),
    oldSide.declineLoginOnExistingDevice(),
  ]);
  await part(newSide, oldSide);
});

await step("a session that the other device has ended", async () => {
  const ended = [];
  const mine = new MSC4108RendezvousSession({ client: anonymous, onFailure: (reason) => ended.push(reason) });
  await mine.send("first");
  const other = new MSC4108RendezvousSession({ url: mine.url, onFailure: unexpected });
  assert.equal(await other.receive(), "first");
  await other.send("second");
  assert.equal(await mine.receive(), "second");
  await other.close();
  assert.equal(await mine.receive(), undefined);
  assert.equal(ended.length, 1);
});
