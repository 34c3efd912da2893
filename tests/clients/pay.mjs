// A shop and its customer in one: asks Bascule for 12.34 USDC, pays it with viem, waits until it is final.
//
//   set -a; . .bascule/dev.env; node pay.mjs
//
// Needs API, SECRET_KEY, RPC_URL and CUSTOMER_KEY (the private key of a wallet with tokens and gas).

import { randomUUID } from "node:crypto";
import { createPublicClient, createWalletClient, erc20Abi, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const { API, SECRET_KEY, RPC_URL, CUSTOMER_KEY } = process.env;

async function bascule(path, body) {
  const response = await fetch(API + path, {
    method: body ? "POST" : "GET",
    headers: {
      authorization: `Bearer ${SECRET_KEY}`,
      "content-type": "application/json",
      "idempotency-key": randomUUID(),
    },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error.message);
  return answer;
}

// The shop asks for money and learns where it is to be paid, per network.
let intent = await bascule("/v1/payment_intents", { amount: "12.34", currency: "usdc" });
const chain = createPublicClient({ transport: http(RPC_URL) });
const network = `eip155:${await chain.getChainId()}`;
const { address, supported_tokens } = intent.next_action.display_deposit_details.deposit_addresses[network];
const [token] = supported_tokens;

// The customer sends exactly that, in base units: an integer, never a float.
const wallet = createWalletClient({ account: privateKeyToAccount(CUSTOMER_KEY), transport: http(RPC_URL) });
const hash = await wallet.writeContract({
  chain: null,
  address: token.contract,
  abi: erc20Abi,
  functionName: "transfer",
  args: [address, BigInt(token.amount_atomic)],
});
const receipt = await chain.waitForTransactionReceipt({ hash });
if (receipt.status !== "success") throw new Error(`${hash} reverted`);

// Mined is not final: the shop ships when the intent has succeeded.
for (let second = 0; intent.status !== "succeeded"; second++) {
  if (second === 120) throw new Error(`${intent.id} is still ${intent.status}`);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  intent = await bascule(`/v1/payment_intents/${intent.id}`);
}
console.log(`${intent.id} ${intent.status}: ${intent.amount_confirmed} by ${hash}`);
