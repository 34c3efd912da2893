// Parses each URI on stdin, a JSON list; prints what was read.
import { readFileSync } from "node:fs";
import { parse } from "eth-url-parser";

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map((uri) => parse(uri))));
