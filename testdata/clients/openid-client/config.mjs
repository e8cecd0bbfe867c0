// The profile Config OP.
import { discovery } from "./lib/discovery.mjs";
import { run } from "./lib/modules.mjs";

await run("Config OP", { "oidcc-discovery-endpoint-verification": () => discovery().then(() => {}) });
