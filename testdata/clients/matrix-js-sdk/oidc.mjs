// The OpenID Connect functions of matrix-js-sdk before version 42, which clients
// still use: they validate the ID token, register for RS256, and spell the scope
// as MSC2967 does.
import assert from "node:assert/strict";

import { person, server, serverName, step } from "../harness.mjs";

// What a browser has and Node has not: the SDK keeps the request's state there.
const kept = new Map();
const storage = {
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => kept.set(key, value),
  removeItem: (key) => kept.delete(key),
  key: (i) => [...kept.keys()][i] ?? null,
  get length() {
    return kept.size;
  },
};
const origin = "https://app.example.com";
globalThis.window = { location: new URL(origin), sessionStorage: storage };
globalThis.localStorage = storage;

const sdk = await import("matrix-js-sdk-41");
const { OidcTokenRefresher } = await import("matrix-js-sdk-41/lib/oidc/tokenRefresher.js");
const { TokenRefreshLogoutError } = await import("matrix-js-sdk-41/lib/http-api/errors.js");
const { completeAuthorizationCodeGrant } = await import("matrix-js-sdk-41/lib/oidc/authorize.js");

const redirectUri = `${origin}/callback`;
const anonymous = sdk.createClient({ baseUrl: server });

const metadata = await step("discovery at the homeserver and at the issuer, with the signing keys", async () => {
  const config = await anonymous.getAuthMetadata();
  const discovered = await sdk.discoverAndValidateOIDCIssuerWellKnown(server);
  assert.deepEqual(config, discovered);
  assert.equal(config.issuer, server);
  assert.ok(config.signingKeys.length > 0);
  return config;
});

const clientId = await step("registration", () =>
  sdk.registerOidcClient(metadata, {
    clientName: "The older SDK",
    clientUri: `${origin}/`,
    redirectUris: [redirectUri],
    applicationType: "web",
    contacts: ["mailto:admin@example.com"],
    logoUri: `${origin}/logo.png`,
    tosUri: `${origin}/terms`,
    policyUri: `${origin}/policy`,
  }),
);

/** Walks a login to what the SDK makes of it. */
async function logIn(responseMode) {
  const url = await sdk.generateOidcAuthorizationUrl({
    metadata,
    clientId,
    redirectUri,
    responseMode,
    homeserverUrl: server,
    nonce: crypto.randomUUID(),
  });
  const arrival = await person({ url, stopAt: redirectUri });
  assert.ok(arrival.location.startsWith(redirectUri), `the person ended at ${arrival.url}: ${arrival.text}`);
  const at = new URL(arrival.location);
  const answer = responseMode === "query" ? at.searchParams : new URLSearchParams(at.hash.slice(1));
  return { code: answer.get("code"), state: answer.get("state"), result: () => completeAuthorizationCodeGrant(answer.get("code"), answer.get("state"), responseMode) };
}

for (const mode of ["query", "fragment"]) {
  await step(`authorization and code exchange with a valid ID token, by ${mode}`, async () => {
    const { result } = await logIn(mode);
    const { tokenResponse, idTokenClaims, oidcClientSettings } = await result();
    assert.deepEqual(oidcClientSettings, { clientId, issuer: server });
    assert.equal(idTokenClaims.aud, clientId);
    const who = await sdk.createClient({ baseUrl: server, accessToken: tokenResponse.access_token }).whoami();
    assert.equal(who.user_id, `@alice:${serverName}`);
    assert.ok(tokenResponse.scope.includes(`urn:matrix:org.matrix.msc2967.client:device:${who.device_id}`));
  });
}

await step("a state of another request is refused", async () => {
  const { code } = await logIn("query");
  await assert.rejects(completeAuthorizationCodeGrant(code, "another"), { message: "State required to finish logging in is not found in storage." });
});

await step("a code of another request is refused", async () => {
  const { code } = await logIn("query");
  const { state } = await logIn("query");
  await assert.rejects(completeAuthorizationCodeGrant(code, state), { message: "Failed to exchange code for token" });
});

await step("token refresh, and its end with the session", async () => {
  const { result } = await logIn("query");
  const { tokenResponse, idTokenClaims } = await result();
  const device = tokenResponse.scope.split(" ").find((s) => s.includes(":device:")).split(":device:")[1];
  const refresher = new OidcTokenRefresher(server, clientId, redirectUri, device, idTokenClaims);
  const fresh = await refresher.doRefreshAccessToken(tokenResponse.refresh_token);
  const client = sdk.createClient({ baseUrl: server, accessToken: fresh.accessToken });
  assert.equal((await client.whoami()).device_id, device);
  await client.logout();
  await assert.rejects(refresher.doRefreshAccessToken(fresh.refreshToken), TokenRefreshLogoutError);
});
