// A relying party: openid-client with strict validation, and a person who walks
// the pages for it.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";

import * as oidc from "openid-client";

import { person, server } from "../../harness.mjs";

/** Everything below is the party's own; people are not followed there. */
export const site = "https://rp.example.com/";
export const redirectUri = `${site}callback`;

/** Signatures of ID tokens are verified, though TLS would do; the server has none. */
export const options = { execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks] };

const secrets = {
  first: oidc.ClientSecretBasic("the first party's secret: of 40 characters"),
  second: oidc.ClientSecretPost("the second party's secret: 40 characters"),
};

/** A client of ../global.toml. */
export const configured = (id, metadata = {}) =>
  oidc.discovery(new URL(server), id, { id_token_signed_response_alg: "ES256", ...metadata }, secrets[id], options);

/** The authorization request of a client, with a state and a nonce of its own. */
export function request(config, parameters = {}) {
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: "openid",
    state: oidc.randomState(),
    nonce: oidc.randomNonce(),
    ...parameters,
  });
  for (const [name, value] of Object.entries(parameters)) if (value === undefined) url.searchParams.delete(name);
  return url;
}

/** A person opens an authorization request; the errand is what else person() takes. */
export const open = (url, errand = {}) => person({ url: `${url}`, stopAt: site, ...errand });

/** What reached the client: the URL, or the form that was posted there. */
export function received(arrival) {
  assert.ok(arrival.location.startsWith(site), `the person ended at ${arrival.url}: ${arrival.text}`);
  if (!arrival.form) return new URL(arrival.location);
  const body = new URLSearchParams(Object.entries(arrival.form).map(([name, [value]]) => [name, value]));
  return new Request(arrival.location, { method: "POST", body });
}

/** The parameters of what reached the client. */
export async function parameters(arrival) {
  const at = received(arrival);
  return at instanceof URL ? at.searchParams : new URLSearchParams(await at.text());
}

/** Wants the client to be told an error, with the state and the issuer. */
export async function refused(url, arrival, errors) {
  const answer = await parameters(arrival);
  assert.ok(errors.includes(answer.get("error")), `${answer}`);
  assert.equal(answer.get("state"), url.searchParams.get("state"));
  assert.equal(answer.get("iss"), server);
  assert.equal(answer.get("code"), null);
}

/** What a person reads who would be sent to an address that is not registered. */
export const unregistered = /an address that it has not registered/;

/** A request object without a signature, of the parameters of a request. */
export function unsigned(url) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part(Object.fromEntries(url.searchParams))}.`;
}

/** Wants a page that tells the person what is wrong, and nothing for the client. */
export function errorPage(arrival, text) {
  assert.equal(arrival.location, "", "the person was sent to the client");
  assert.equal(arrival.status, 400);
  assert.match(arrival.text, text);
}

/** Exchanges the code with all that the request lets a client check. */
export async function exchange(config, url, arrival, checks = {}) {
  const sent = url.searchParams;
  if (arrival.form) assert.equal(sent.get("response_mode"), "form_post");
  const tokens = await oidc.authorizationCodeGrant(config, received(arrival), {
    expectedState: sent.get("state") ?? undefined,
    expectedNonce: sent.get("nonce") ?? undefined,
    maxAge: sent.has("max_age") ? Number(sent.get("max_age")) : undefined,
    idTokenExpected: true,
    ...checks,
  });
  checkTokens(config, tokens);
  return tokens;
}

/** What openid-client does not look at: at_hash, kid, and claims that were not asked for. */
export function checkTokens(config, tokens) {
  const claims = tokens.claims();
  const header = JSON.parse(Buffer.from(tokens.id_token.split(".")[0], "base64url"));
  assert.ok(header.kid, "the ID token names no key");
  assert.equal(header.alg, config.clientMetadata().id_token_signed_response_alg);
  const half = createHash("sha256").update(tokens.access_token).digest().subarray(0, 16);
  assert.equal(claims.at_hash, half.toString("base64url"));
  assert.equal(claims.aud, config.clientMetadata().client_id);
  assert.ok(claims.sub.length <= 255);
  for (const claim of ["name", "email", "preferred_username", "c_hash"]) assert.equal(claims[claim], undefined);
  assert.equal(tokens.token_type, "bearer");
  assert.ok(tokens.expires_in > 0);
}

/** A login from the request to the tokens. */
export async function logIn(config, sent = {}, errand = {}) {
  const url = request(config, sent);
  const arrival = await open(url, errand);
  const code = (await parameters(arrival)).get("code");
  assert.ok(code?.length >= 22, `the code is ${code}`);
  return { url, arrival, code, tokens: await exchange(config, url, arrival) };
}

/** Userinfo of the person whom the ID token names. */
export const userinfo = (config, tokens) => oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
