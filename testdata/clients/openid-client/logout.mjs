// The profile RP-Initiated OP: the client signs the person out.
import assert from "node:assert/strict";

import { SignJWT, generateKeyPair } from "jose";
import * as oidc from "openid-client";

import { server } from "../harness.mjs";
import { discovery } from "./lib/discovery.mjs";
import { run } from "./lib/modules.mjs";
import { configured, errorPage, logIn, open, refused, request, site } from "./lib/party.mjs";

const first = await configured("first");
const signedOutUri = `${site}signed-out`;

/**
 * Somebody signs in, and is then sent to be signed out with what the client
 * usually sends, changed by parameters: undefined leaves one out.
 */
async function signOut(change = () => ({})) {
  const browser = crypto.randomUUID();
  const { tokens } = await logIn(first, {}, { browser });
  const state = oidc.randomState();
  const sent = { id_token_hint: tokens.id_token, post_logout_redirect_uri: signedOutUri, state, ...(await change(tokens)) };
  // openid-client adds client_id, which the suite does not send.
  const url = oidc.buildEndSessionUrl(first, {});
  url.search = new URLSearchParams(Object.entries(sent).filter(([, value]) => value !== undefined));
  const arrival = await open(url, { browser });
  /** Wants the person to be signed in, or not. */
  const signedIn = async (wanted) => {
    const silent = request(first, { prompt: "none" });
    const at = await open(silent, { browser });
    if (wanted) assert.ok(new URL(at.location).searchParams.get("code"), `${at.location}`);
    else await refused(silent, at, ["login_required"]);
  };
  return { arrival, state, signedIn };
}

/** Wants a page that says that nothing was done, and somebody who is signed in. */
async function expectRefusal(change, text) {
  const { arrival, signedIn } = await signOut(change);
  errorPage(arrival, text);
  await signedIn(true);
}

/** Wants a page that says that the person is signed out, after they agreed if asked is true. */
async function expectPage(change, asked) {
  const { arrival, signedIn } = await signOut(change);
  assert.equal(arrival.location, "");
  assert.equal(arrival.status, 200);
  assert.equal(arrival.asked, asked);
  assert.match(arrival.text, /signed out/i);
  await signedIn(false);
}

const none = { id_token_hint: undefined, post_logout_redirect_uri: undefined, state: undefined };
const parts = (token) => token.split(".");

await run("RP-Initiated OP", {
  "oidcc-rp-initiated-logout-discovery-endpoint-verification": async () => {
    assert.equal(new URL((await discovery()).end_session_endpoint).origin, server);
  },
  "oidcc-rp-initiated-logout": async () => {
    const { arrival, state, signedIn } = await signOut();
    assert.equal(arrival.location, `${signedOutUri}?state=${state}`);
    assert.equal(arrival.asked, false);
    await signedIn(false);
  },
  "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri": () =>
    expectRefusal(() => ({ post_logout_redirect_uri: `${site}elsewhere` }), /not registered/),
  "oidcc-rp-initiated-logout-modified-id-token-hint": () =>
    expectRefusal(({ id_token }) => ({ id_token_hint: `${Buffer.from('{"alg":"none"}').toString("base64url")}.${parts(id_token)[1]}.` }), /id_token_hint/),
  "oidcc-rp-initiated-logout-no-id-token-hint": async () => {
    const { arrival } = await signOut(() => ({ id_token_hint: undefined }));
    assert.equal(arrival.location, "");
    assert.ok(arrival.asked, "the person is not asked");
  },
  "oidcc-rp-initiated-logout-no-params": () => expectPage(() => none, true),
  "oidcc-rp-initiated-logout-no-post-logout-redirect-uri": () => expectPage(() => ({ post_logout_redirect_uri: undefined }), false),
  "oidcc-rp-initiated-logout-no-state": async () => {
    const { arrival, signedIn } = await signOut(() => ({ state: undefined }));
    assert.equal(arrival.location, signedOutUri);
    await signedIn(false);
  },
  "oidcc-rp-initiated-logout-only-state": () => expectPage(() => ({ ...none, state: oidc.randomState() }), true),
  "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri": () =>
    expectRefusal(() => ({ post_logout_redirect_uri: `${signedOutUri}?foo=bar` }), /not registered/),
  "oidcc-rp-initiated-logout-bad-id-token-hint": () =>
    expectRefusal(async (tokens) => {
      const { privateKey } = await generateKeyPair("ES256");
      const header = JSON.parse(Buffer.from(parts(tokens.id_token)[0], "base64url"));
      return { id_token_hint: await new SignJWT(tokens.claims()).setProtectedHeader(header).sign(privateKey) };
    }, /id_token_hint/),
});
