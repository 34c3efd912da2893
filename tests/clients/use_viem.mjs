// What developers do with viem, once each, and what came of it as one JSON object: node use_viem.mjs URL KEY
//
// KEY is the private key of a rich account; a stranger's is made up.

import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import {
  ContractFunctionRevertedError, createPublicClient, createWalletClient, custom, http, keccak256, parseEther,
  parseGwei, recoverTransactionAddress, serializeTransaction, webSocket, zeroHash,
} from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

const [, , url, key] = process.argv;
const owner = privateKeyToAccount(key);
const stranger = privateKeyToAccount(generatePrivateKey());
const chain = createPublicClient({ transport: http(url, { batch: true }), pollingInterval: 100, cacheTime: 0 });
const pushed = createPublicClient({ transport: webSocket(url.replace("http", "ws")) });
const wallet = createWalletClient({ account: owner, transport: http(url) });
// A client that tells which methods the node has answered, so that nothing here has to wait by the clock.
const answered = new EventEmitter();
const plain = http(url)({});
const overheard = createPublicClient({
  pollingInterval: 100,
  transport: custom({
    request: async (call) => {
      const answer = await plain.request(call);
      answered.emit(call.method);
      return answer;
    },
  }),
});
const contract = (name) => JSON.parse(readFileSync(new URL(`../../abi/${name}.json`, import.meta.url)));
const dollar = contract("TestDollar");
const payoutVault = contract("PayoutVault");
const mined = (hash) => chain.waitForTransactionReceipt({ hash, timeout: 20_000 });

async function deploy({ abi, bytecode }, args) {
  const receipt = await mined(await wallet.deployContract({ chain: null, abi, bytecode, args }));
  return { address: receipt.contractAddress, abi };
}

async function refusal(attempt) {
  const error = await attempt.then(() => null, (thrown) => thrown);
  const reverted = error.walk((each) => each instanceof ContractFunctionRevertedError);
  if (!reverted) throw new Error(error.message);
  const { errorName, args = [] } = reverted.data;
  return [errorName, ...args.map((value) => (value === stranger.address ? "stranger" : String(value)))];
}

/** Three values in the order in which `watch` tells them. */
const three = (watch) =>
  new Promise((resolve, reject) => {
    const seen = [];
    const stop = watch((value) => seen.push(value) === 3 && (stop(), resolve(seen)), reject);
  });
const linked = (blocks) => blocks.every(({ parentHash }, n) => n === 0 || parentHash === blocks[n - 1].hash);

const token = await deploy(dollar, ["Test Dollar", "USDT", owner.address]);
const vault = await deploy(payoutVault, Array(4).fill(owner.address));
const read = (functionName, args) => chain.readContract({ ...token, functionName, args });
const write = (functionName, args, more) => wallet.writeContract({ chain: null, ...token, functionName, args, ...more });

// Without ether for the fees that viem fills in, a node as geth estimates nothing.
await mined(await wallet.sendTransaction({ chain: null, to: stranger.address, value: parseEther("1") }));

const told = {};
await mined(await write("mint", [owner.address, 100n]));
const filter = once(answered, "eth_newFilter");
const event = new Promise((resolve) => {
  const onLogs = ([log]) => (stop(), resolve(log));
  const stop = overheard.watchContractEvent({ ...token, eventName: "Transfer", onLogs });
});
await filter;
const paid = await mined(await write("transfer", [stranger.address, 40n]));
told.watched_event = [Number((await event).args.value), (await event).transactionHash === paid.transactionHash];
told.read_in_a_batch = await Promise.all([
  read("name"), read("symbol"), read("decimals"), read("balanceOf", [stranger.address]).then(Number),
]);
const transfers = await chain.getContractEvents({
  ...token, eventName: "Transfer", args: { to: stranger.address }, fromBlock: 0n, strict: true,
});
told.events_to_the_stranger = transfers.map(({ args }) => [args.from === owner.address, Number(args.value)]);

told.too_poor = await refusal(
  chain.simulateContract({ ...token, account: stranger, functionName: "transfer", args: [owner.address, 41n] }),
);
const batch = [token.address, 0, zeroHash, 0n, [1n], ["0x" + "00".repeat(16)], 2n ** 63n];
told.no_operator = await refusal(
  chain.simulateContract({ ...vault, account: stranger, functionName: "pay", args: batch }),
);
told.no_operator_by_estimate = await refusal(
  chain.estimateContractGas({ ...vault, account: stranger, functionName: "pay", args: batch }),
);
told.sent_anyway = (await mined(await write("transfer", [stranger.address, 61n], { gas: 100_000n }))).status;

const { maxFeePerGas, maxPriorityFeePerGas } = await chain.estimateFeesPerGas();
const { baseFeePerGas } = await chain.getBlock();
told.fees_cover_the_next_block = maxFeePerGas - maxPriorityFeePerGas >= baseFeePerGas && maxPriorityFeePerGas > 0n;

const { v, r, s, yParity, input, ...fields } = await chain.getTransaction({ hash: paid.transactionHash });
const raw = serializeTransaction({ ...fields, data: input }, { r, s, yParity });
told.transaction_is_whole = [
  keccak256(raw) === paid.transactionHash,
  (await recoverTransactionAddress({ serializedTransaction: raw })) === owner.address,
];
const signature = await owner.signMessage({ message: "bascule" });
told.signature_by_contract_code = await chain.verifyMessage({ address: owner.address, message: "bascule", signature });

told.blocks_by_polling = linked(
  await three((onBlock, onError) => chain.watchBlocks({ onBlock, onError, emitMissed: true })),
);
told.blocks_by_push = linked(await three((onBlock, onError) => pushed.watchBlocks({ onBlock, onError })));

// The first one waits behind a gap, so that no block can be faster than its replacement.
const nonce = 1 + (await chain.getTransactionCount({ address: owner.address, blockTag: "pending" }));
const dear = { maxFeePerGas: parseGwei("40"), maxPriorityFeePerGas: parseGwei("4") };
const send = (more) => wallet.sendTransaction({ chain: null, to: stranger.address, gas: 21_000n, ...more });
const first = await send({ nonce, value: 1n, maxFeePerGas: parseGwei("20"), maxPriorityFeePerGas: parseGwei("2") });
const looked = once(answered, "eth_getTransactionByHash");
const replaced = new Promise((resolve) => {
  overheard.waitForTransactionReceipt({ hash: first, onReplaced: resolve, timeout: 20_000 });
});
await looked;
const second = await send({ nonce, value: parseEther("1"), ...dear });
await send({ nonce: nonce - 1, value: 2n, ...dear });
const { reason, transaction } = await replaced;
told.replaced = [reason, transaction.hash === second];
told.balance_then = String(await chain.getBalance({ address: stranger.address }));

console.log(JSON.stringify(told));
process.exit(0); // sockets and watchers end with us
