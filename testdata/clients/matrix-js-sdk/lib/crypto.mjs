// What scripts share that use the SDK's crypto.
import assert from "node:assert/strict";

// The SDK leaves a timer of a minute behind each request of its crypto, which
// would keep Node.js waiting for the last one.
const { setTimeout } = globalThis;
globalThis.setTimeout = (work, milliseconds, ...more) => {
  const timer = setTimeout(work, milliseconds, ...more);
  return milliseconds >= 60_000 ? timer.unref() : timer;
};

/** Makes new cross-signing keys, and uploads them with what approve does. */
export const setUp = (client, approve = (makeRequest) => makeRequest(null)) =>
  client.getCrypto().bootstrapCrossSigning({ setupNewCrossSigning: true, authUploadDeviceSigningKeys: approve });

/** Sends a request that wants an approval, and returns what it is asked. */
export async function asked(makeRequest, auth) {
  const refused = await makeRequest(auth).then(
    () => assert.fail("the keys were replaced"),
    (error) => error,
  );
  assert.equal(refused.httpStatus, 401, `${refused}`);
  return refused.data;
}
