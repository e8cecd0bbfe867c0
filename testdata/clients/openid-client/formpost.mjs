// The profile Form Post OP: Basic OP, and every answer comes in a form.
import { basic } from "./lib/basic.mjs";
import { run } from "./lib/modules.mjs";

await run("Form Post OP", await basic("form_post"));
