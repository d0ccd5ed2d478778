// Calls a function of one of the pages' modules: node run_module.mjs FILE FUNCTION < its arguments, in JSON.

import { readFileSync } from "node:fs";

const [, , file, name] = process.argv;
// The pages' modules have the suffix .js without a package.json beside them, so Node would not take them for modules.
const code = readFileSync(file).toString("base64");
const module = await import(`data:text/javascript;base64,${code}`);
const result = module[name](...JSON.parse(readFileSync(0)));
process.stdout.write(JSON.stringify(result ?? null));
