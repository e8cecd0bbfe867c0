// The profile Dynamic OP: clients that register themselves.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

import { exportJWK } from "jose";
import * as oidc from "openid-client";

import { administer, server, serverName } from "../harness.mjs";
import { discovery, keys } from "./lib/discovery.mjs";
import { notPassed, run, skipped } from "./lib/modules.mjs";
import { checkTokens, errorPage, logIn, open, options, parameters, redirectUri, request, site, unregistered, unsigned, userinfo } from "./lib/party.mjs";

/** A key of a client, whose name is in its assertions. */
async function clientKey(kid) {
  const { publicKey, privateKey } = await crypto.subtle.generateKey(
    { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
    true,
    ["sign", "verify"],
  );
  return { public: { ...(await exportJWK(publicKey)), kid, use: "sig", alg: "RS256" }, own: { key: privateKey, kid } };
}

const key = await clientKey("first");
const basis = {
  client_name: "A client that registers itself",
  redirect_uris: [redirectUri],
  grant_types: ["authorization_code"],
  response_types: ["code"],
  contacts: ["certification@rp.example.com"],
  token_endpoint_auth_method: "private_key_jwt",
  id_token_signed_response_alg: "RS256",
  jwks: { keys: [key.public] },
};

/** Registers a client, which authenticates with a key of its own. */
const register = (metadata = {}, own = key.own, assertion = {}) =>
  oidc.dynamicClientRegistration(new URL(server), { ...basis, ...metadata }, oidc.PrivateKeyJwt(own, assertion), options);

/** Wants a registration to be refused. */
const unregistrable = (metadata, error) => assert.rejects(register(metadata), { error, status: 400 });

/** What a person sees of a client before they decide. */
async function consentPage(config) {
  const page = await open(request(config), { decision: "look" });
  assert.equal(page.status, 200);
  return page;
}

/** Wants a page that leads back to the client, which is told that it cannot send this. */
async function withoutRequestUri(uri) {
  const arrival = await open(request(await register(), { request_uri: uri }));
  errorPage(arrival, /The app made a mistake/);
  assert.ok(arrival.links.some((link) => new URL(link).searchParams.get("error") === "request_uri_not_supported"), `${arrival.links}`);
}

/** A client's own server with its keys, on this machine. */
async function publish(current) {
  const host = createServer((_, answer) => answer.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ keys: [current().public] })));
  await new Promise((ready) => host.listen(0, "127.0.0.1", ready));
  return { jwks_uri: `http://127.0.0.1:${host.address().port}/jwks`, stop: () => host.close() };
}

const queried = `${redirectUri}?foo=bar`;

// RS256 is offered as soon as there is an RSA key.
while (!(await discovery().then(({ id_token_signing_alg_values_supported: offered }) => offered.includes("RS256"), () => false))) await pause(100);
const metadata = await discovery();

// Published now, changed when the others have gone: the server does not ask for
// keys again within half a minute.
let current = await clientKey("before");
const host = await publish(() => current);
const rotating = await register({ jwks: undefined, jwks_uri: host.jwks_uri, grant_types: ["authorization_code", "refresh_token"] }, current.own);
const { tokens: kept } = await logIn(rotating, { scope: "openid offline_access", prompt: "consent" });
const askedAgain = pause(31_000);

await run("Dynamic OP", {
  "oidcc-idtoken-rs256": () => register().then(logIn).then(() => {}),
  "oidcc-idtoken-unsigned": async () => {
    assert.ok(!metadata.id_token_signing_alg_values_supported.includes("none"));
    await unregistrable({ id_token_signed_response_alg: "none" }, "invalid_client_metadata");
    return skipped;
  },
  "oidcc-userinfo-rs256": async () => {
    const config = await register({ userinfo_signed_response_alg: "RS256" });
    const { tokens } = await logIn(config, { scope: "openid profile" });
    assert.ok((await userinfo(config, tokens)).name); // the signature is verified
    const info = await oidc.fetchProtectedResource(config, tokens.access_token, new URL(metadata.userinfo_endpoint), "GET");
    assert.match(info.headers.get("content-type"), /^application\/jwt/);
    const [header, claims] = (await info.text()).split(".").slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url")));
    assert.equal(header.alg, "RS256");
    assert.equal(claims.iss, server);
    assert.equal(claims.aud, config.clientMetadata().client_id);
    assert.equal(claims.nonce, undefined);
  },
  "oidcc-ensure-redirect-uri-in-authorization-request": async () => {
    const config = await register({ redirect_uris: [redirectUri, `${site}another`] });
    errorPage(await open(request(config, { redirect_uri: undefined })), unregistered);
  },
  "oidcc-redirect-uri-query-OK": async () => {
    const config = await register({ redirect_uris: [queried] });
    const url = request(config, { redirect_uri: queried });
    const arrival = await open(url);
    assert.ok(arrival.location.startsWith(`${queried}&`));
    const answer = await parameters(arrival);
    assert.equal(answer.get("state"), url.searchParams.get("state"));
    assert.equal(answer.get("iss"), server);
    // authorizationCodeGrant sends the redirect URI without its query.
    const tokens = await oidc.genericGrantRequest(config, "authorization_code", { code: answer.get("code"), redirect_uri: queried });
    assert.equal(tokens.claims().nonce, url.searchParams.get("nonce"));
    checkTokens(config, tokens);
  },
  "oidcc-redirect-uri-query-mismatch": async () => {
    const config = await register({ redirect_uris: [queried] });
    errorPage(await open(request(config, { redirect_uri: `${redirectUri}?bar=foo` })), unregistered);
  },
  "oidcc-redirect-uri-query-added": async () => {
    errorPage(await open(request(await register(), { redirect_uri: queried })), unregistered);
  },
  "oidcc-redirect-uri-regfrag": () => unregistrable({ redirect_uris: [`${redirectUri}#foobar`] }, "invalid_redirect_uri"),
  "oidcc-discovery-endpoint-verification": async () => {
    const { response_types_supported: types, grant_types_supported: grants } = await discovery();
    assert.deepEqual(types, ["code"]);
    assert.ok(!grants.includes("implicit"));
    return notPassed;
  },
  "oidcc-server": async () => {
    const config = await register();
    const { tokens } = await logIn(config);
    assert.equal(tokens.claims().sub, `@alice:${serverName}`);
    await userinfo(config, tokens);
  },
  "oidcc-registration-logo-uri": async () => {
    const config = await register({ logo_uri: `${site}logo.png` });
    assert.equal(config.clientMetadata().logo_uri, `${site}logo.png`);
    await consentPage(config);
    return notPassed;
  },
  "oidcc-registration-policy-uri": async () => {
    assert.ok((await consentPage(await register({ policy_uri: `${site}policy` }))).links.includes(`${site}policy`));
  },
  "oidcc-registration-tos-uri": async () => {
    assert.ok((await consentPage(await register({ tos_uri: `${site}terms` }))).links.includes(`${site}terms`));
  },
  "oidcc-registration-jwks-uri": async () => {
    const own = await clientKey("published");
    const { jwks_uri, stop } = await publish(() => own);
    await logIn(await register({ jwks: undefined, jwks_uri }, own.own));
    stop();
  },
  "oidcc-registration-sector-uri": async () => {
    assert.deepEqual(metadata.subject_types_supported, ["public"]);
    return skipped;
  },
  "oidcc-registration-sector-bad": async () => {
    assert.deepEqual(metadata.subject_types_supported, ["public"]);
    return skipped;
  },
  "oidcc-server-rotate-keys": async () => {
    const before = (await keys(metadata)).map((k) => k.kid);
    await administer("keys", "rotate");
    let after = before;
    for (const end = Date.now() + 20_000; after.length === before.length && Date.now() < end; ) {
      await pause(500);
      after = (await keys(metadata)).map((k) => k.kid);
    }
    assert.ok(after.some((kid) => !before.includes(kid)), "no key is new");
    for (const kid of before) assert.ok(after.includes(kid), "an old key has gone");
    await logIn(await register());
  },
  "oidcc-refresh-token-rp-key-rotation": async () => {
    current = await clientKey("after");
    const after = await oidc.discovery(new URL(server), rotating.clientMetadata().client_id, rotating.clientMetadata(), oidc.PrivateKeyJwt(current.own), options);
    await askedAgain;
    const later = await oidc.refreshTokenGrant(after, kept.refresh_token);
    await userinfo(after, { ...later, claims: kept.claims });
    await assert.rejects(oidc.refreshTokenGrant(rotating, later.refresh_token), { error: "invalid_client" });
    host.stop();
  },
  "oidcc-request-uri-unsigned": async () => {
    await withoutRequestUri(`${site}request.jwt`);
    return notPassed;
  },
  "oidcc-request-uri-signed-rs256": async () => {
    assert.equal(metadata.request_uri_parameter_supported, false);
    await withoutRequestUri(`${site}request.jwt#RS256`);
    return notPassed;
  },
  "oidcc-ensure-request-object-with-redirect-uri": async () => {
    const url = request(await register());
    url.searchParams.set("request", unsigned(url));
    url.searchParams.set("redirect_uri", `${site}invalid`);
    errorPage(await open(url), unregistered);
  },
  "oidcc-refresh-token": async () => {
    const grants = { grant_types: ["authorization_code", "refresh_token"] };
    const [first, second] = [await register(grants), await register({ ...grants, client_name: "Another" })];
    const wanted = { scope: "openid offline_access", prompt: "consent" };
    const { tokens } = await logIn(first, wanted);
    const { tokens: others } = await logIn(second, wanted);
    const later = await oidc.refreshTokenGrant(first, tokens.refresh_token, { scope: wanted.scope });
    await userinfo(first, { ...later, claims: tokens.claims });
    await assert.rejects(oidc.refreshTokenGrant(first, others.refresh_token), { error: "invalid_grant", status: 400 });
    await oidc.refreshTokenGrant(second, others.refresh_token);
  },
  "oidcc-ensure-client-assertion-with-iss-aud-succeeds": async () => {
    for (const aud of [server, metadata.token_endpoint]) {
      const config = await register({}, key.own, { [oidc.modifyAssertion]: (_, claims) => (claims.aud = aud) });
      await logIn(config);
    }
  },
});
