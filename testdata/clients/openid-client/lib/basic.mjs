// The modules of the profile Basic OP, and of Form Post OP, which are the same
// with another response mode. The clients are of the configuration file.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

import * as oidc from "openid-client";

import { server, serverName } from "../../harness.mjs";
import { configured, errorPage, exchange, logIn, open, parameters, redirectUri, refused, request, site, unregistered, unsigned, userinfo } from "./party.mjs";
import { skipped } from "./modules.mjs";

/** The checks by module. With "form_post" every answer comes in a form. */
export async function basic(responseMode) {
  const mode = responseMode ? { response_mode: responseMode } : {};
  const first = await configured("first");
  const second = await configured("second");
  const browser = "somebody";
  const ask = (parameters) => request(first, { ...mode, ...parameters });
  const enter = (parameters, errand) => logIn(first, { ...mode, ...parameters }, errand);
  /** A second login in a browser, of whom the first one was. */
  const again = async (parameters, earlier, errand) => {
    const later = await enter(parameters, errand);
    assert.equal(later.tokens.claims().sub, earlier.tokens.claims().sub);
    return later;
  };
  /** The claims of a scope, which are in userinfo and nowhere else. */
  const scope = (value, ...claims) => async () => {
    const { tokens } = await enter({ scope: value });
    const info = await userinfo(first, tokens);
    for (const claim of claims) assert.ok(info[claim], `${claim} of ${value} is missing`);
    if (info.updated_at !== undefined) assert.equal(typeof info.updated_at, "number");
    const unsupported = value.split(" ").some((s) => !first.serverMetadata().scopes_supported.includes(s));
    return unsupported ? skipped : undefined;
  };
  const code = async () => {
    const url = ask();
    const arrival = await open(url);
    const tokens = await exchange(first, url, arrival);
    const replay = () =>
      assert.rejects(oidc.genericGrantRequest(first, "authorization_code", { code: arrived, redirect_uri: redirectUri }), { error: "invalid_grant", status: 400 });
    const arrived = (await parameters(arrival)).get("code");
    return { tokens, replay };
  };
  // Begun now, looked at when the others have gone.
  const old = await code();
  const grown = pause(30_000, undefined, { ref: true });

  return {
    "oidcc-server": async () => {
      const { tokens } = await enter();
      assert.equal(tokens.claims().sub, `@alice:${serverName}`);
      await userinfo(first, tokens);
    },
    "oidcc-response-type-missing": async () => {
      const url = ask({ response_type: undefined });
      await refused(url, await open(url), ["invalid_request", "unsupported_response_type"]);
    },
    "oidcc-idtoken-signature": async () => {
      const { tokens } = await enter(); // verified, with kid, by the algorithm of the client
      assert.equal(tokens.claims().iss, server);
      return skipped;
    },
    "oidcc-idtoken-unsigned": async () => {
      assert.ok(!first.serverMetadata().id_token_signing_alg_values_supported.includes("none"));
      return skipped;
    },
    "oidcc-userinfo-get": async () => {
      const { tokens } = await enter();
      const info = await oidc.fetchProtectedResource(first, tokens.access_token, new URL(first.serverMetadata().userinfo_endpoint), "GET");
      assert.match(info.headers.get("content-type"), /^application\/json/);
      assert.equal((await info.json()).sub, tokens.claims().sub);
      await userinfo(first, tokens);
    },
    "oidcc-userinfo-post-header": async () => {
      const { tokens } = await enter();
      const info = await oidc.fetchProtectedResource(first, tokens.access_token, new URL(first.serverMetadata().userinfo_endpoint), "POST");
      assert.equal(info.status, 200);
      assert.equal((await info.json()).sub, tokens.claims().sub);
    },
    "oidcc-userinfo-post-body": async () => {
      const { tokens } = await enter();
      const info = await fetch(first.serverMetadata().userinfo_endpoint, { method: "POST", body: new URLSearchParams({ access_token: tokens.access_token }) });
      assert.equal(info.status, 200);
      assert.equal((await info.json()).sub, tokens.claims().sub);
    },
    "oidcc-ensure-request-without-nonce-succeeds-for-code-flow": async () => {
      const { tokens } = await enter({ nonce: undefined });
      assert.equal(tokens.claims().nonce, undefined);
    },
    "oidcc-scope-profile": scope("openid profile", "name", "preferred_username"),
    "oidcc-scope-email": scope("openid email", "email", "email_verified"),
    "oidcc-scope-address": scope("openid address"),
    "oidcc-scope-phone": scope("openid phone"),
    "oidcc-scope-all": scope("openid address email phone profile", "name", "email"),
    "oidcc-alternate-happy-flow": async () => {
      const sent = [...ask({ scope: "email openid" }).searchParams].reverse();
      const url = new URL(first.serverMetadata().authorization_endpoint);
      for (const [name, value] of sent) url.searchParams.append(name, value);
      const tokens = await exchange(first, url, await open(url));
      assert.ok((await userinfo(first, tokens)).email);
    },
    "oidcc-display-page": () => enter({ display: "page" }).then(() => {}),
    "oidcc-display-popup": () => enter({ display: "popup" }).then(() => {}),
    "oidcc-prompt-login": async () => {
      const earlier = await enter({}, { browser });
      await pause(1_100);
      const later = await again({ prompt: "login" }, earlier, { browser });
      assert.ok(later.arrival.signed_in, "nobody had to sign in");
      assert.ok(later.tokens.claims().auth_time > earlier.tokens.claims().auth_time);
    },
    "oidcc-prompt-none-not-logged-in": async () => {
      const url = ask({ prompt: "none" });
      const arrival = await open(url);
      assert.ok(!arrival.signed_in && !arrival.asked);
      await refused(url, arrival, ["login_required", "interaction_required", "account_selection_required", "consent_required"]);
    },
    "oidcc-prompt-none-logged-in": async () => {
      const earlier = await enter({}, { browser });
      const later = await again({ prompt: "none" }, earlier, { browser });
      assert.ok(!later.arrival.signed_in && !later.arrival.asked);
      assert.equal(later.tokens.claims().auth_time, earlier.tokens.claims().auth_time);
    },
    "oidcc-max-age-1": async () => {
      const earlier = await enter({}, { browser });
      await pause(2_100);
      const later = await again({ max_age: "1" }, earlier, { browser });
      assert.ok(later.arrival.signed_in, "nobody had to sign in");
      assert.ok(later.tokens.claims().auth_time > earlier.tokens.claims().auth_time);
    },
    "oidcc-max-age-10000": async () => {
      const earlier = await enter({ max_age: "15000" }, { browser });
      const later = await again({ max_age: "10000" }, earlier, { browser });
      assert.ok(!later.arrival.signed_in);
      assert.equal(later.tokens.claims().auth_time, earlier.tokens.claims().auth_time);
    },
    "oidcc-ensure-request-with-unknown-parameter-succeeds": () => enter({ extra: "foobar" }).then(() => {}),
    "oidcc-id-token-hint": async () => {
      const earlier = await enter({}, { browser });
      const later = await again({ prompt: "none", id_token_hint: earlier.tokens.id_token }, earlier, { browser });
      assert.ok(!later.arrival.signed_in && !later.arrival.asked);
      assert.equal(later.tokens.claims().auth_time, earlier.tokens.claims().auth_time);
    },
    "oidcc-login-hint": () => enter({ login_hint: `buffy@${new URL(server).hostname}` }).then(() => {}),
    "oidcc-ui-locales": async () => {
      await enter({ ui_locales: "se" });
      errorPage(await open(ask({ ui_locales: "de", redirect_uri: `${site}other` })), /Geh zurück zur App/);
    },
    "oidcc-claims-locales": () => enter({ claims_locales: "se" }).then(() => {}),
    "oidcc-ensure-request-with-acr-values-succeeds": () => enter({ acr_values: "1 2" }).then(() => {}),
    "oidcc-codereuse": async () => {
      const { replay } = await code();
      await replay();
    },
    "oidcc-codereuse-30seconds": async () => {
      await grown;
      await old.replay();
      const info = await fetch(first.serverMetadata().userinfo_endpoint, { headers: { authorization: `Bearer ${old.tokens.access_token}` } });
      assert.equal(info.status, 401);
    },
    "oidcc-ensure-registered-redirect-uri": async () => {
      errorPage(await open(ask({ redirect_uri: `${site}callback/other` })), unregistered);
    },
    "oidcc-ensure-post-request-succeeds": async () => {
      const url = ask();
      const post = Object.fromEntries([...url.searchParams].map(([name, value]) => [name, [value]]));
      await exchange(first, url, await open(first.serverMetadata().authorization_endpoint, { post }));
    },
    "oidcc-server-client-secret-post": () => logIn(second, mode).then(() => {}),
    "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported": async () => {
      const url = ask({ request_uri: `${site}request.jwt` });
      await refused(url, await open(url), ["request_uri_not_supported"]);
      return skipped;
    },
    "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported": async () => {
      const url = ask();
      url.searchParams.set("request", unsigned(url));
      await refused(url, await open(url), ["request_not_supported"]);
      return skipped;
    },
    "oidcc-claims-essential": async () => {
      const { tokens } = await enter({ scope: "openid profile", claims: JSON.stringify({ userinfo: { name: { essential: true } } }) });
      assert.ok((await userinfo(first, tokens)).name);
    },
    "oidcc-ensure-request-object-with-redirect-uri": async () => {
      const url = ask();
      url.searchParams.set("request", unsigned(url));
      url.searchParams.set("redirect_uri", `${site}invalid`);
      errorPage(await open(url), unregistered);
    },
    "oidcc-refresh-token": async () => {
      const wanted = { scope: "openid offline_access", prompt: "consent" };
      const { tokens } = await enter(wanted);
      const other = await logIn(second, { ...mode, ...wanted, nonce: oidc.randomNonce().slice(0, 43) });
      await pause(1_100);
      for (const [config, earlier] of [[first, tokens], [second, other.tokens]]) {
        assert.match(earlier.refresh_token, /^[\x20-\x7e]+$/);
        const later = await oidc.refreshTokenGrant(config, earlier.refresh_token, config === first ? { scope: wanted.scope } : {});
        assert.notEqual(later.access_token, earlier.access_token);
        await userinfo(config, { ...later, claims: earlier.claims });
        if (later.id_token) {
          for (const claim of ["iss", "sub", "aud", "auth_time"]) assert.deepEqual(later.claims()[claim], earlier.claims()[claim]);
        }
      }
      await assert.rejects(oidc.refreshTokenGrant(first, other.tokens.refresh_token), { error: "invalid_grant", status: 400 });
    },
    "oidcc-ensure-request-with-valid-pkce-succeeds": async () => {
      const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
      const url = ask({ code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: "S256" });
      await exchange(first, url, await open(url), { pkceCodeVerifier });
    },
  };
}
