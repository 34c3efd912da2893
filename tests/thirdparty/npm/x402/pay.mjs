// Buys what {url} on stdin gives, with {key} on {network}; prints its status, body and PAYMENT-RESPONSE.
import { readFileSync } from "node:fs";
import { ExactEvmScheme } from "@x402/evm";
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { privateKeyToAccount } from "viem/accounts";

const { url, key, network } = JSON.parse(readFileSync(0, "utf8"));
const wallet = new x402Client();
wallet.register(network, new ExactEvmScheme(privateKeyToAccount(key)));
wallet.setSpendControls(false); // they know the large tokens alone, and this one is of a test's chain
const answer = await wrapFetchWithPayment(fetch, wallet)(url);
const told = answer.headers.get("PAYMENT-RESPONSE");
console.log(
  JSON.stringify({
    status: answer.status,
    body: await answer.json(),
    paid: told === null ? null : decodePaymentResponseHeader(told),
  }),
);
