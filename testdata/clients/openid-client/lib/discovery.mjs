// What the discovery document must say (OpenID Connect Discovery §3).
import assert from "node:assert/strict";

import { importJWK } from "jose";

import { server } from "../../harness.mjs";

/** The keys of the server. Each is a public key with a name of its own. */
export async function keys(metadata) {
  const answer = await fetch(metadata.jwks_uri);
  assert.equal(answer.status, 200);
  const { keys } = await answer.json();
  assert.equal(new Set(keys.map((key) => key.kid)).size, keys.length);
  for (const key of keys) {
    assert.ok(key.kid && key.use === "sig" && key.alg);
    for (const secret of ["d", "p", "q", "dp", "dq", "qi", "k"]) assert.equal(key[secret], undefined);
    assert.equal((await importJWK(key, key.alg)).type, "public");
  }
  return keys;
}

/** Reads and checks the document, with the keys that it names, and returns it. */
export async function discovery() {
  const answer = await fetch(`${server}/.well-known/openid-configuration`);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get("content-type"), /^application\/json/);
  const metadata = await answer.json();
  assert.equal(metadata.issuer, server);
  for (const [name, value] of Object.entries(metadata)) {
    // https wherever the issuer is: the server of the test has no certificate.
    if (/_(endpoint|uri)$/.test(name)) assert.equal(new URL(value).origin, server, name);
    if (name.endsWith("_supported")) assert.ok(Array.isArray(value) ? value.every((v) => typeof v === "string") : typeof value === "boolean", name);
  }
  for (const name of ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "registration_endpoint", "jwks_uri"]) assert.ok(metadata[name], name);
  const has = (name, ...values) => values.forEach((value) => assert.ok(metadata[name].includes(value), `${name} has not ${value}`));
  has("response_types_supported", "code");
  has("response_modes_supported", "query", "form_post");
  has("grant_types_supported", "authorization_code", "refresh_token");
  has("subject_types_supported", "public");
  has("id_token_signing_alg_values_supported", "RS256");
  has("userinfo_signing_alg_values_supported", "RS256");
  has("token_endpoint_auth_methods_supported", "client_secret_basic", "client_secret_post", "private_key_jwt");
  has("scopes_supported", "openid");
  has("claims_supported", "sub", "name", "email");
  has("code_challenge_methods_supported", "S256");
  for (const locale of metadata.ui_locales_supported) assert.equal(new Intl.Locale(locale).toString(), locale);
  for (const name of ["request_parameter_supported", "request_uri_parameter_supported", "claims_parameter_supported"]) assert.equal(metadata[name], false);
  await keys(metadata);
  return metadata;
}
