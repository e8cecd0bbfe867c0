// A QR login whose code the new device shows (MSC4108), up to secrets that the new
// device has from the old one.
import assert from "node:assert/strict";

import * as wasm from "@matrix-org/matrix-sdk-crypto-wasm";
import { createClient, OAuth2, OAuthGrantType } from "matrix-js-sdk";
import { MSC4108RendezvousSession, MSC4108SecureChannel, MSC4108SignInWithQR, signInByGeneratingQR } from "matrix-js-sdk/lib/rendezvous/index.js";

import { person, server } from "../../../harness.mjs";
import { metadata, userId } from "./devices.mjs";

const unexpected = (reason) => assert.fail(`the rendezvous failed: ${reason}`);

/** Signs user in on a new device with the help of old, which syncs and has the cross-signing keys. */
export async function signInByQRCode(old, user) {
  await wasm.initAsync();
  const clientId = await OAuth2.registerClient(metadata, {
    client_name: "The new device",
    client_uri: "https://example.com/",
    application_type: "native",
    grant_types: [OAuthGrantType.DeviceAuthorization, OAuthGrantType.RefreshToken],
    response_types: [],
  });
  const newSide = await signInByGeneratingQR(createClient({ baseUrl: server }), unexpected, new AbortController().signal);
  const qr = wasm.QrCodeData.fromBytes(newSide.code);
  const session = new MSC4108RendezvousSession({ url: qr.rendezvousUrl, onFailure: unexpected });
  const oldSide = new MSC4108SignInWithQR(new MSC4108SecureChannel(session, qr.publicKey, unexpected), true, old, unexpected);
  await Promise.all([newSide.negotiateProtocols(), oldSide.negotiateProtocols()]);

  const deviceId = new wasm.Ecies().public_key().toBase64();
  const [, told] = await Promise.all([newSide.deviceAuthorizationGrant({ metadata, clientId, deviceId }), oldSide.deviceAuthorizationGrant()]);
  const page = await person({ url: told.verificationUri, user });
  assert.equal(page.status, 200, page.text);
  const [handed, [tokens, received]] = await Promise.all([
    oldSide.shareSecrets(),
    newSide.completeLoginOnNewDevice({ clientId }).then(async (tokens) => [tokens, await newSide.shareSecrets()]),
  ]);
  assert.deepEqual(received.secrets.cross_signing, handed.secrets.cross_signing);
  assert.ok(received.secrets.cross_signing.master_key);
  await Promise.all([newSide.close(), oldSide.close()]);
  return createClient({ baseUrl: server, accessToken: tokens.access_token, userId: userId(user), deviceId });
}
