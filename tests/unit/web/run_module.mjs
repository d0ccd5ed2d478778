// Calls functions of the pages' modules. Each line of the input is ["file", "function", [arguments]], and each line of the
// output is the result, or an object with an error.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const modules = new Map();

function load(file) {
  // The pages' modules have the suffix .js without a package.json beside them, so Node would not take them for modules.
  const code = readFileSync(file).toString("base64");
  if (!modules.has(file)) modules.set(file, import(`data:text/javascript;base64,${code}`));
  return modules.get(file);
}

for await (const line of createInterface({ input: process.stdin })) {
  const [file, name, given] = JSON.parse(line);
  try {
    const result = (await load(file))[name](...given);
    console.log(JSON.stringify({ result: result ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.stack }));
  }
}
