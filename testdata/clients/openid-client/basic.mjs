// The profile Basic OP.
import { basic } from "./lib/basic.mjs";
import { run } from "./lib/modules.mjs";

await run("Basic OP", await basic());
