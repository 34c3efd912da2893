// Each line is a mistake that the types must find; the test counts them.
import type { components, paths } from "./bascule";

type Intent = components["schemas"]["PaymentIntent"];
type Ask = components["schemas"]["QuoteCreate"];
type Pay = components["schemas"]["PaymentIntentCreate"];
type Show = components["schemas"]["CheckoutSessionCreate"];

export const asNumber: Ask = { amount: 25, currency: "eur", to_currency: "usdc" };
export const misspelt: Ask = { amount: "25.00", curency: "eur", to_currency: "usdc" };
export const paid = (intent: Intent): boolean => intent.status === "paid";
export const cents = (intent: Intent): number => intent.amount * 100;
export type Nowhere = paths["/v1/charges"];
export const due: Pay = { amount: 25, currency: "usdc" };
export const named: Pay = { amount: "25.00", curency: "usdc" };
export const shown: Show = { payment_intent: 7 };
export const heard: components["schemas"]["WebhookEndpointCreate"] = { url: "https://a.example", enabled_events: ["payment_intent.paid"] };
