// Behind a homeserver: what becomes of devices and people.
import assert from "node:assert/strict";

import { createClient } from "matrix-js-sdk";

import { administer, machine, person, run, server, step } from "../../harness.mjs";
import { clientId, devices, eventually, expectRefused, logIn, metadata, redirectUri, userId } from "./lib/devices.mjs";

const user = `carol-${run}`;
const account = metadata.account_management_uri;
const action = (name, deviceId) => `${account}?action=org.matrix.${name}${deviceId ? `&device_id=${deviceId}` : ""}`;

const first = await step("a device that logs in is there, with the application's name", async () => {
  const client = await logIn(user);
  const who = await client.whoami();
  assert.deepEqual([who.user_id, who.device_id], [userId(user), client.getDeviceId()]);
  assert.deepEqual(await devices(client), { [client.getDeviceId()]: "The SDK" });
  return client;
});
const second = await logIn(user);

await step("a device that is renamed on the account page has its new name at the homeserver", async () => {
  const page = await person({ url: action("device_view", first.getDeviceId()), user, field: "name", value: "Kitchen" });
  assert.equal(page.status, 200, page.text);
  assert.equal((await devices(second))[first.getDeviceId()], "Kitchen");
});

await step("a device can be renamed by its application", async () => {
  await first.setDeviceDetails(first.getDeviceId(), { display_name: "Hall" });
  assert.equal((await devices(second))[first.getDeviceId()], "Hall");
});

await step("a device that logs out is gone, and its token is refused at once", async () => {
  await first.whoami();
  await first.logout(true);
  await expectRefused(first);
  assert.deepEqual(Object.keys(await devices(second)), [second.getDeviceId()]);
});

await step("a device that is signed out on the account page is gone, and its token is refused at once", async () => {
  const third = await logIn(user);
  await third.whoami();
  const page = await person({ url: action("device_delete", third.getDeviceId()), user, field: "decision", value: "approve" });
  assert.equal(page.status, 200, page.text);
  await expectRefused(third);
  assert.deepEqual(Object.keys(await devices(second)), [second.getDeviceId()]);
});

await step("a token that is revoked is refused at once", async () => {
  const third = await logIn(user);
  await third.whoami();
  const answer = await fetch(metadata.revocation_endpoint, {
    method: "POST",
    body: new URLSearchParams({ token: third.getRefreshToken(), client_id: clientId }),
  });
  assert.equal(answer.status, 200);
  await expectRefused(third);
});

await step("an application of the old kind logs in by m.login.sso, and out", async () => {
  const legacy = createClient({ baseUrl: server });
  assert.ok((await legacy.loginFlows()).flows.some((flow) => flow.type === "m.login.sso"));
  const arrival = await person({ url: legacy.getSsoLoginUrl(redirectUri), stopAt: redirectUri, user });
  const login = await legacy.loginRequest({
    type: "m.login.token",
    token: new URL(arrival.location).searchParams.get("loginToken"),
    initial_device_display_name: "The old kind",
  });
  assert.equal(login.user_id, userId(user));
  const client = createClient({ baseUrl: server, accessToken: login.access_token, userId: login.user_id, deviceId: login.device_id });
  assert.equal((await client.whoami()).device_id, login.device_id);
  assert.equal((await devices(second))[login.device_id], "The old kind");
  await client.logout(true);
  await expectRefused(client);
  assert.equal((await devices(second))[login.device_id], undefined);
});

await step("devices that the homeserver has lost are back, and those that it made up are gone, once it is told", async () => {
  await machine(`meddle with ${user}`);
  await expectRefused(second);
  await administer("admin", "user", "sync-devices", user);
  await eventually(async () => assert.deepEqual(Object.keys(await devices(second)), [second.getDeviceId()]));
});

await step("an administrator who logs somebody out takes their devices away", async () => {
  const other = await logIn(user);
  await other.whoami();
  await administer("admin", "user", "end-sessions", "--yes", user);
  // The command does not wait for the server, which tells the homeserver.
  await eventually(() => expectRefused(other));
  await eventually(() => expectRefused(second));
});

await step("an account that is closed is closed at the homeserver too", async () => {
  const last = await logIn(user);
  await last.whoami();
  const page = await person({ url: action("account_deactivate"), user, field: "erase", value: "yes" });
  assert.equal(page.status, 200, page.text);
  await expectRefused(last);
  const observer = await logIn(`dora-${run}`);
  await assert.rejects(observer.getProfileInfo(userId(user)), (error) => error.httpStatus === 404 || error.httpStatus === 403);
  const again = await person({ url: account, user });
  assert.ok(again.status >= 400, again.text);
});
