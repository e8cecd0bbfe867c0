// The OAuth 2.0 functions of matrix-js-sdk, from discovery to revocation.
import assert from "node:assert/strict";

import { createClient, OAuth2, OAuth2Error, OAuth2HTTPError } from "matrix-js-sdk";
import { TokenRefreshLogoutError } from "matrix-js-sdk/lib/http-api/errors.js";
import { isSignInWithQRAvailable } from "matrix-js-sdk/lib/rendezvous/index.js";
import { TokenRefresher } from "matrix-js-sdk/lib/oauth/tokenRefresher.js";

import { person, server, serverName, step } from "../harness.mjs";

const redirectUri = "https://app.example.com/callback";
const registration = {
  client_name: "The SDK",
  client_uri: "https://example.com/",
  redirect_uris: [redirectUri],
  application_type: "web",
};
const anonymous = createClient({ baseUrl: server });

const metadata = await step("discovery of the metadata, which the SDK validates", async () => {
  const metadata = await anonymous.getAuthMetadata();
  assert.equal(metadata.issuer, server);
  return metadata;
});

await step("the server offers a sign-in by QR code", async () => {
  assert.equal(await isSignInWithQRAvailable(anonymous), true);
});

const clientId = await step("registration", async () => {
  const id = await OAuth2.registerClient(metadata, registration);
  assert.equal(await OAuth2.registerClient(metadata, registration), id, "the same client gets the same id");
  return id;
});

await step("a registration with a foreign redirect URI is refused", async () => {
  const foreign = { ...registration, redirect_uris: ["https://other.example/callback"] };
  await assert.rejects(OAuth2.registerClient(metadata, foreign), { message: OAuth2Error.DynamicRegistrationFailed });
});

/** Sends a person through the authorization, and returns what reaches the client. */
async function authorize(oauth, { mode = "fragment", ...errand } = {}) {
  const state = crypto.randomUUID();
  const url = await oauth.generateAuthorizationCodeGrantUrl(state, redirectUri, mode, errand.prompt);
  const arrival = await person({ url, stopAt: redirectUri, ...errand });
  assert.ok(arrival.location.startsWith(redirectUri), `the person ended at ${arrival.url}: ${arrival.text}`);
  const at = new URL(arrival.location);
  const answer = mode === "query" ? at.searchParams : new URLSearchParams(at.hash.slice(1));
  assert.equal(answer.get("state"), state);
  assert.equal(answer.get("iss"), server);
  return answer;
}

/** Walks a login to its tokens. */
async function logIn(options) {
  const oauth = new OAuth2(metadata, { clientId });
  const answer = await authorize(oauth, options);
  return { oauth, code: answer.get("code"), tokens: await oauth.completeAuthorizationCodeGrant(answer.get("code"), redirectUri) };
}

/** A client of a session. */
const withTokens = (tokens, more = {}) => createClient({ baseUrl: server, accessToken: tokens.access_token, ...more });

for (const mode of ["fragment", "query"]) {
  await step(`authorization and code exchange, by ${mode}`, async () => {
    const { oauth, tokens } = await logIn({ mode });
    assert.equal(tokens.token_type, "Bearer");
    assert.ok(tokens.refresh_token && tokens.expires_in > 0);
    assert.ok(tokens.scope.split(" ").includes(`urn:matrix:client:device:${oauth.context.deviceId}`));
    const who = await withTokens(tokens).whoami();
    assert.equal(who.user_id, `@alice:${serverName}`);
    assert.equal(who.device_id, oauth.context.deviceId);
  });
}

await step("a registration of a person, who has an account already", async () => {
  await logIn({ prompt: "create" });
});

await step("a person who cancels", async () => {
  const answer = await authorize(new OAuth2(metadata, { clientId }), { decision: "cancel" });
  assert.equal(answer.get("error"), "access_denied");
  assert.equal(answer.get("code"), null);
});

/** Wants an error of the token endpoint. */
const refused = (error) => (thrown) => {
  assert.ok(thrown instanceof OAuth2HTTPError, `${thrown}`);
  assert.equal(thrown.httpStatus, 400);
  assert.equal(thrown.error ?? thrown.data?.error, error);
  return true;
};

await step("an exchange with another verifier is refused", async () => {
  const answer = await authorize(new OAuth2(metadata, { clientId }));
  const thief = new OAuth2(metadata, { clientId });
  await assert.rejects(thief.completeAuthorizationCodeGrant(answer.get("code"), redirectUri), refused("invalid_grant"));
});

await step("a code that is used again is refused, and ends the session it gave", async () => {
  const { oauth, code, tokens } = await logIn();
  await assert.rejects(oauth.completeAuthorizationCodeGrant(code, redirectUri), refused("invalid_grant"));
  await assert.rejects(withTokens(tokens).whoami(), { errcode: "M_UNKNOWN_TOKEN", httpStatus: 401 });
});

await step("token refresh", async () => {
  const { oauth, tokens } = await logIn();
  const kept = [];
  const refresher = new TokenRefresher(oauth, (fresh) => kept.push(fresh));
  const [first, same] = await Promise.all([refresher.refreshTokens(tokens.refresh_token), refresher.refreshTokens(tokens.refresh_token)]);
  assert.equal(first.accessToken, same.accessToken);
  assert.deepEqual(kept, [first]);
  assert.ok(first.expiry > new Date());
  const again = await refresher.refreshTokens(tokens.refresh_token);
  assert.equal(again.refreshToken, first.refreshToken, "a lost answer is given again");
  const next = await refresher.refreshTokens(again.refreshToken);
  assert.equal((await withTokens({ access_token: next.accessToken }).whoami()).device_id, oauth.context.deviceId);
});

await step("a client refreshes by itself, goes on, and logs out", async () => {
  const { oauth, tokens } = await logIn();
  const kept = [];
  const more = { refreshToken: tokens.refresh_token, oauthClientId: clientId, deviceId: oauth.context.deviceId, onTokenRefresh: (fresh) => kept.push(fresh) };
  const client = withTokens({ access_token: "unknown" }, more);
  assert.equal((await client.whoami()).user_id, `@alice:${serverName}`);
  assert.equal(kept.length, 1);
  assert.equal(client.getAccessToken(), kept[0].accessToken);
  await client.logout(true);
  await assert.rejects(withTokens({ access_token: kept[0].accessToken }).whoami(), { errcode: "M_UNKNOWN_TOKEN", httpStatus: 401 });
});

await step("revocation of the refresh token logs the device out", async () => {
  const { oauth, tokens } = await logIn();
  await oauth.revokeToken(tokens.refresh_token, "refresh_token");
  await assert.rejects(withTokens(tokens).whoami(), { errcode: "M_UNKNOWN_TOKEN", httpStatus: 401 });
  await assert.rejects(new TokenRefresher(oauth, () => assert.fail("tokens")).refreshTokens(tokens.refresh_token), TokenRefreshLogoutError);
});

await step("revocation of the access token ends the session too", async () => {
  const { oauth, tokens } = await logIn();
  await oauth.revokeToken(tokens.access_token, "access_token");
  await assert.rejects(withTokens(tokens).whoami(), { errcode: "M_UNKNOWN_TOKEN", httpStatus: 401 });
});
