// What every script has: where the server is, a person who walks its pages, and
// steps that are reported.

/** The server's issuer and base URL, without a final slash. */
export const server = variable("KEYMAKER");

/** The Matrix server name. */
export const serverName = variable("SERVER_NAME");

function variable(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: see testdata/clients/README.md`);
  return value;
}

/**
 * A person opens url in a browser, signs in as user wherever they are asked,
 * and answers what the server asks with decision, "approve" or "cancel".
 * Browsers of one name share their cookies; without a name it is a new one.
 * Addresses that begin with stopAt are the client's own.
 * @returns {Promise<{location: string, url: string, status: number, text: string}>}
 *   location is the client's address to which the person was sent, "" for none;
 *   the rest is of the last page.
 */
export async function person({ url, stopAt = "", user = "alice", decision = "approve", browser = "" }) {
  const answer = await fetch(variable("PERSON"), {
    method: "POST",
    body: JSON.stringify({ url, stop_at: stopAt, user, decision, browser }),
  });
  if (!answer.ok) throw new Error(`the person gave up: ${await answer.text()}`);
  return answer.json();
}

/** Does one step, and reports it by name. What it throws ends the script. */
export async function step(name, work) {
  const result = await work();
  console.log(`\nok: ${name}`);
  return result;
}
