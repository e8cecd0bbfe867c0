// The modules of the conformance profiles, as they are reported.

/** A module that the suite does not run for a server that is made like this one. */
export const skipped = "skipped";

/** A module that asks for what this server does not do on purpose. */
export const notPassed = "not passed";

const failures = [];

/**
 * Runs the check of a module, which returns nothing or one of the two above, and
 * reports it: testdata/conformance/openid-modules.tsv must say the same.
 */
export async function module(profile, name, check) {
  try {
    const result = (await check()) ?? "passed";
    console.log(`\nok: ${profile}: ${name}: ${result}`);
  } catch (error) {
    failures.push(name);
    console.log(`\nFAILED: ${profile}: ${name}: ${error.stack}`, error.cause ?? "");
  }
}

/** Runs modules in their order, and fails the script if one of them has failed. */
export async function run(profile, checks) {
  for (const [name, check] of Object.entries(checks)) await module(profile, name, check);
  if (failures.length > 0) throw new Error(`failed: ${failures.join(", ")}`);
}
