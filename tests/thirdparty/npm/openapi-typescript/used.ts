// A shop in TypeScript that knows of us only what the OpenAPI document says.
import type { components, operations, paths } from "./bascule";

type Intent = components["schemas"]["PaymentIntent"];
type Ask = components["schemas"]["PaymentIntentCreate"];
type Created = paths["/v1/payment_intents"]["post"]["responses"][200]["content"]["application/json"];
type Refused = components["schemas"]["Problem"];
type Listed = operations["list_payment_intents"]["responses"][200]["content"]["application/json"];

export const ask: Ask = { amount: "25.00", currency: "usdc", metadata: { order: "1042" } };

export function said(intent: Created): string {
  switch (intent.status) {
    case "requires_action":
      return `${intent.amount_remaining} ${intent.currency} are missing`;
    case "processing":
      return "seen";
    case "succeeded":
      return "ship";
    case "canceled":
      return intent.cancellation_reason ?? "over";
    default: {
      const none: never = intent.status; // every status is above
      return none;
    }
  }
}

export function why(problem: Refused): string {
  return `${problem.error.code} ${problem.error.param ?? ""} ${problem.error.request_id}`;
}

export function paid(page: Listed): Intent[] {
  return page.data.filter((each) => each.status === "succeeded" && !each.livemode);
}
