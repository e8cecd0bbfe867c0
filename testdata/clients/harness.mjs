// What every script has: where the server is, a person who walks its pages, and
// steps that are reported.
import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { promisify } from "node:util";

/** The server's issuer and base URL, without a final slash. */
export const server = variable("KEYMAKER");

/** The Matrix server name. */
export const serverName = variable("SERVER_NAME");

/** What the names of people end in who must be new to a homeserver. */
export const run = process.env.RUN ?? "";

function variable(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: see testdata/clients/README.md`);
  return value;
}

/** Runs a command of the program as the administrator of this server, and returns what it prints. */
export async function administer(...command) {
  const config = variable("KEYMAKER_CONFIG");
  const { stdout } = await promisify(execFile)(variable("KEYMAKER_BINARY"), command, { cwd: dirname(config), env: { KEYMAKER_CONFIG: config } });
  return stdout;
}

/**
 * A person opens url in a browser, signs in as user wherever they are asked,
 * and answers what the server asks with decision, "approve" or "cancel", or
 * stops there with "look". With field, they fill in that field of a page with
 * value instead, and look at what comes after it.
 * With post, an object of arrays, the client's page sends that to url as a form.
 * Browsers of one name share their cookies; without a name it is a new one.
 * Addresses that begin with stopAt are the client's own.
 * @returns {Promise<{location: string, form?: Object<string, string[]>, signed_in: boolean, asked: boolean, url: string, status: number, text: string, links: ?string[]}>}
 *   location is the client's address to which the person was sent, "" for none,
 *   and form what a page sent there; signed_in and asked say whether they had to
 *   sign in and to decide; the rest is of the last page.
 */
export async function person({ url, post, stopAt = "", user = "alice", decision = "approve", field = "", value = "", browser = "" }) {
  const answer = await fetch(variable("PERSON"), {
    method: "POST",
    body: JSON.stringify({ url, post, stop_at: stopAt, user, decision, field, value, browser }),
  });
  if (!answer.ok) throw new Error(`the person gave up: ${await answer.text()}`);
  return answer.json();
}

/**
 * Does something to the programs of this test from outside: "stop synapse", "kill
 * synapse" (with -9), "start synapse", "kill keymaker" (with -9), "start keymaker", "hold synapse"
 * (it hangs), "release synapse", and "meddle with USER", who has one device STRANGER
 * on the homeserver then. It returns when that is done.
 */
export async function machine(action) {
  const answer = await fetch(variable("MACHINE"), { method: "POST", body: action });
  if (!answer.ok) throw new Error(`${action}: ${await answer.text()}`);
}

/** Does one step, and reports it by name. What it throws ends the script. */
export async function step(name, work) {
  const result = await work();
  console.log(`\nok: ${name}`);
  return result;
}
