// Verifies each webhook on stdin, a JSON list of {secret, headers, body}; prints what each attempt said.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const said = JSON.parse(readFileSync(0, "utf8")).map(({ secret, headers, body }) => {
  try {
    return new Webhook(secret).verify(body, headers).id;
  } catch (error) {
    return error.message;
  }
});
console.log(JSON.stringify(said));
