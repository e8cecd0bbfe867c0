// Behind a homeserver: two people who write to each other with encryption, a
// second device by QR code, and tokens that are renewed meanwhile.
import assert from "node:assert/strict";

import { EventType, Preset, RoomMemberEvent, Visibility } from "matrix-js-sdk";

import { run, step } from "../../harness.mjs";
import { setUp } from "../lib/crypto.mjs";
import { eventually, logIn, read, start, until, userId } from "./lib/devices.mjs";
import { signInByQRCode } from "./lib/qr.mjs";

const [alice, bob] = [`alice-${run}`, `bob-${run}`];

const phone = await step("alice and bob log in, and sync", async () => start(await logIn(alice)));
const bobs = await start(await logIn(bob));

await step("the first cross-signing keys need no approval", async () => {
  await setUp(phone);
  assert.equal(await phone.getCrypto().userHasCrossSigningKeys(userId(alice), true), true);
});

const roomId = await step("alice invites bob to an encrypted room", async () => {
  const { room_id: roomId } = await phone.createRoom({
    visibility: Visibility.Private,
    preset: Preset.PrivateChat,
    invite: [userId(bob)],
    initial_state: [{ type: EventType.RoomEncryption, state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }],
  });
  await bobs.joinRoom(roomId);
  await until(phone, RoomMemberEvent.Membership, () => phone.getRoom(roomId)?.getMember(userId(bob))?.membership === "join");
  return roomId;
});

await step("a message is encrypted, sent and read", async () => {
  await phone.sendTextMessage(roomId, "the first");
  await read(bobs, roomId, "the first");
});

await step("a token that is refused while the device syncs is renewed, and nothing is missed", async () => {
  const before = phone.getAccessToken();
  phone.setAccessToken("refused");
  await phone.sendTextMessage(roomId, "the second");
  assert.ok(![before, "refused"].includes(phone.getAccessToken()));
  await read(bobs, roomId, "the second");
  await bobs.sendTextMessage(roomId, "the third");
  await read(phone, roomId, "the third");
});

const laptop = await step("a second device signs in by QR code, and has the secrets of the first", async () => {
  const client = await signInByQRCode(phone, alice);
  await start(client);
  return client;
});

await step("the second device reads what is sent from now on", async () => {
  await eventually(async () => {
    const known = await bobs.getCrypto().getUserDeviceInfo([userId(alice)], true);
    assert.equal(known.get(userId(alice)).size, 2);
  });
  await bobs.sendTextMessage(roomId, "the fourth");
  await read(laptop, roomId, "the fourth");
});

for (const client of [phone, laptop, bobs]) client.stopClient();
