// What the scripts behind a homeserver share: people with devices that encrypt.
import assert from "node:assert/strict";

import { ClientEvent, createClient, MatrixEventEvent, OAuth2, SyncState } from "matrix-js-sdk";

import { person, server, serverName } from "../../../harness.mjs";
import "../../lib/crypto.mjs"; // for its timers

// Browsers and newer versions of Node.js have it, and the SDK's sync wants it.
Promise.withResolvers ??= () => {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

/** Where the application of these scripts is. */
export const redirectUri = "https://app.example.com/callback";

/** How long something may take that does not happen at once, in milliseconds. */
const patience = 60_000;

export const metadata = await createClient({ baseUrl: server }).getAuthMetadata();
export const clientId = await OAuth2.registerClient(metadata, {
  client_name: "The SDK",
  client_uri: "https://example.com/",
  redirect_uris: [redirectUri],
  application_type: "web",
});

/** A user's id. Every run has people of its own, whose names end alike. */
export const userId = (user) => `@${user}:${serverName}`;

/** Walks user to the code that an application gets, and what it needs to redeem it. */
export async function ask(user, options = {}) {
  const oauth = new OAuth2(metadata, { clientId, ...options });
  const url = await oauth.generateAuthorizationCodeGrantUrl(crypto.randomUUID(), redirectUri, "query");
  const arrival = await person({ url, stopAt: redirectUri, user });
  assert.ok(arrival.location, `the person ended at ${arrival.url}: ${arrival.text}`);
  return { oauth, code: new URL(arrival.location).searchParams.get("code") };
}

/** Redeems a code for the device that it is for. */
export async function redeem(user, { oauth, code }) {
  const tokens = await oauth.completeAuthorizationCodeGrant(code, redirectUri);
  return createClient({
    baseUrl: server,
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token,
    oauthClientId: clientId,
    onTokenRefresh: () => {},
    userId: userId(user),
    deviceId: oauth.context.deviceId,
  });
}

/** Logs user in on a new device. */
export const logIn = async (user) => redeem(user, await ask(user));

/** Gives a device crypto that lives in memory, and lets it sync until stop. */
export async function start(client) {
  await client.initRustCrypto({ useIndexedDB: false });
  await client.startClient({ initialSyncLimit: 20 });
  await until(client, ClientEvent.Sync, () => client.getSyncState() === SyncState.Prepared || client.getSyncState() === SyncState.Syncing);
  return client;
}

/** Waits until found returns something, which it is asked whenever an event of this name comes. */
export function until(emitter, name, found) {
  return new Promise((resolve, reject) => {
    const done = (settle, value) => {
      clearTimeout(timer);
      emitter.off(name, look);
      settle(value);
    };
    const look = () => {
      const value = found();
      if (value) done(resolve, value);
    };
    const timer = setTimeout(() => done(reject, new Error(`${name} did not bring what was waited for`)), patience - 1);
    emitter.on(name, look);
    look();
  });
}

/** Waits until work does not throw any more: what a killed server was at belongs to it for a minute. */
export async function eventually(work) {
  const deadline = Date.now() + 2 * patience;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** Waits until a device has read a text in a room. */
export async function read(client, roomId, text) {
  const event = await until(client, MatrixEventEvent.Decrypted, () =>
    client
      .getRoom(roomId)
      ?.getLiveTimeline()
      .getEvents()
      .find((e) => e.getContent().body === text),
  );
  assert.ok(event.isEncrypted() && !event.isDecryptionFailure());
}

/** Wants a token to be refused as an unknown one, at once. */
export const expectRefused = (client) =>
  assert.rejects(createClient({ baseUrl: server, accessToken: client.getAccessToken() }).whoami(), { errcode: "M_UNKNOWN_TOKEN", httpStatus: 401 });

/** The master key of a device's user as the homeserver shows it. */
export async function master(client) {
  const user = client.getUserId();
  const answer = await client.downloadKeysForUsers([user]);
  return Object.values(answer.master_keys[user].keys)[0];
}

/** The devices that the homeserver knows, by their ids, with their names. */
export async function devices(client) {
  const { devices } = await client.getDevices();
  return Object.fromEntries(devices.map((device) => [device.device_id, device.display_name]));
}
