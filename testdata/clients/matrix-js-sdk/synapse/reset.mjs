// Behind a homeserver: cross-signing keys that are replaced after a person has
// approved it (MSC4312).
import assert from "node:assert/strict";

import { person, run, step } from "../../harness.mjs";
import { asked, setUp } from "../lib/crypto.mjs";
import { logIn, master, start } from "./lib/devices.mjs";

const user = `erin-${run}`;

const first = await step("the first keys need no approval", async () => {
  const client = await start(await logIn(user));
  await setUp(client);
  return client;
});
const second = await start(await logIn(user));

const before = await master(first);

await step("a reset that nobody approves changes nothing", async () => {
  await assert.rejects(
    setUp(second, (makeRequest) => asked(makeRequest, null).then(() => Promise.reject(new Error("not now")))),
    { message: "not now" },
  );
  assert.equal(await master(first), before);
});

await step("a reset that the person approves is done", async () => {
  await setUp(second, async (makeRequest) => {
    const { session, flows, params } = await asked(makeRequest, null);
    assert.ok(flows.some((flow) => flow.stages.includes("m.oauth")), JSON.stringify(flows));
    // The homeserver says which account page, not for which device: the person chooses.
    let page = await person({ url: params["m.oauth"].url, user, decision: "look" });
    const device = page.links.find((link) => link.includes(second.getDeviceId()));
    assert.ok(device ?? page.asked, `no device at ${page.url}: ${page.text}`);
    page = await person({ url: device ?? params["m.oauth"].url, user });
    assert.ok(page.signed_in && page.asked, `the person ended at ${page.url}: ${page.text}`);
    await makeRequest({ type: "m.oauth", session });
  });
  assert.notEqual(await master(first), before);
});

for (const client of [first, second]) client.stopClient();
