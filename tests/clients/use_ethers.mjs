// What developers do with ethers, once each, and what came of it as one JSON object: node use_ethers.mjs URL KEY

import { readFileSync } from "node:fs";
import { Contract, ContractFactory, JsonRpcProvider, Transaction, Wallet, WebSocketProvider, ZeroHash } from "ethers";

const [, , url, key] = process.argv;
const options = { staticNetwork: true, cacheTimeout: -1, pollingInterval: 100 };
const chain = new JsonRpcProvider(url, undefined, options);
const owner = new Wallet(key, chain);
const stranger = Wallet.createRandom(chain);
const contract = (name) => JSON.parse(readFileSync(new URL(`../../abi/${name}.json`, import.meta.url)));

async function deploy(name, ...args) {
  const { abi, bytecode } = contract(name);
  return (await new ContractFactory(abi, bytecode, owner).deploy(...args)).waitForDeployment();
}

async function refusal(attempt) {
  const error = await attempt.then(() => null, (thrown) => thrown);
  const { name, args } = error.revert ?? vault.interface.parseError(error.data);
  return [name, ...args.map((value) => (value === stranger.address ? "stranger" : String(value)))];
}

const blocks = (provider) =>
  new Promise((resolve) => {
    const seen = [];
    provider.on("block", (number) => seen.push(number) === 3 && (provider.off("block"), resolve(seen)));
  });
const rising = (numbers) => numbers.every((number, n) => n === 0 || number === numbers[n - 1] + 1);

const token = await deploy("TestDollar", "Test Dollar", "USDT", owner.address);
const vault = await deploy("PayoutVault", ...Array(4).fill(owner.address));

const told = {};
await (await token.mint(owner.address, 100n)).wait();
const filter = new Promise((resolve) => {
  chain.on("debug", ({ payload = [] }) => {
    if ([payload].flat().some(({ method }) => method === "eth_newFilter")) resolve();
  });
});
const event = new Promise((resolve) => token.once("Transfer", (from, to, value) => resolve(Number(value))));
await filter; // sent before the transfer is
const paid = await (await token.transfer(stranger.address, 40n)).wait();
told.watched_event = await event;
told.read_in_a_batch = await Promise.all([
  token.name(), token.symbol(), token.decimals().then(Number), token.balanceOf(stranger.address).then(Number),
]);
const transfers = await token.queryFilter(token.filters.Transfer(null, stranger.address), 0);
told.events_to_the_stranger = transfers.map(({ args }) => [args.from === owner.address, Number(args.value)]);

told.too_poor = await refusal(new Contract(token, token.interface, stranger).transfer.staticCall(owner.address, 41n));
const batch = [token, 0, ZeroHash, 0n, [1n], ["0x" + "00".repeat(16)], 2n ** 63n];
const strange = new Contract(vault, vault.interface, stranger);
told.no_operator = await refusal(strange.pay.staticCall(...batch));
told.no_operator_by_estimate = await refusal(strange.pay.estimateGas(...batch));
const failing = await token.transfer(stranger.address, 61n, { gasLimit: 100_000n });
told.sent_anyway = await failing.wait().catch(({ code, receipt }) => [code, receipt.status]);

const fees = await chain.getFeeData();
const { baseFeePerGas } = await chain.getBlock("latest");
told.fees_cover_the_next_block = fees.maxFeePerGas - fees.maxPriorityFeePerGas >= baseFeePerGas;
told.transaction_is_whole = Transaction.from(await chain.getTransaction(paid.hash)).hash === paid.hash;
told.three_confirmations = (await (await token.transfer(stranger.address, 1n)).wait(3)).status;
told.blocks_by_polling = rising(await blocks(chain));
const pushed = new WebSocketProvider(url.replace("http", "ws"), undefined, { staticNetwork: true });
told.blocks_by_push = rising(await blocks(pushed));

console.log(JSON.stringify(told));
process.exit(0); // sockets and watchers end with us
