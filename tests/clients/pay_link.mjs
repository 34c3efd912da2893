// A wallet that is shown a payment link (EIP-681), as the QR code of the checkout page carries it, and pays it.
//
//   RPC_URL=… CUSTOMER_KEY=… node pay_link.mjs "ethereum:0xTOKEN@CHAIN/transfer?address=0xTO&uint256=AMOUNT"

import { createPublicClient, createWalletClient, erc20Abi, getAddress, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const { RPC_URL, CUSTOMER_KEY } = process.env;
const [, token, chainId, query] =
  /^ethereum:(0x[0-9a-fA-F]{40})@(\d+)\/transfer\?(.+)$/.exec(process.argv[2]) ?? [];
if (!token) throw new Error(`this is no link to a token transfer: ${process.argv[2]}`);
const asked = new URLSearchParams(query);

const chain = createPublicClient({ transport: http(RPC_URL) });
if ((await chain.getChainId()) !== Number(chainId)) throw new Error(`the link is for chain ${chainId}`);
const wallet = createWalletClient({ account: privateKeyToAccount(CUSTOMER_KEY), transport: http(RPC_URL) });
const hash = await wallet.writeContract({
  chain: null,
  address: getAddress(token),
  abi: erc20Abi,
  functionName: "transfer",
  args: [getAddress(asked.get("address")), BigInt(asked.get("uint256"))],
});
const { status, blockNumber } = await chain.waitForTransactionReceipt({ hash });
if (status !== "success") throw new Error(`${hash} reverted`);
console.log(`paid by ${hash} in block ${blockNumber}`);
