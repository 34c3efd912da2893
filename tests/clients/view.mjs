// Answers questions about a chain, one JSON line each, as viem or as ethers sees it: node view.mjs viem|ethers
//
// A question names a node, a range of blocks, transactions, and hashes of blocks that left the chain.
// The answer has the shape of `tests/support/views.py`; what is not there is null, every other failure is told.

import { createInterface } from "node:readline";
import { JsonRpcProvider } from "ethers";
import { createPublicClient, http } from "viem";

// The node's words stand in `details` of viem's errors and in `error` of ethers'.
const absent = (word) => (error) => {
  if ([error.name, error.details, error.error?.message].some((said) => said?.includes(word))) return null;
  throw error;
};

function byViem(url) {
  const client = createPublicClient({ transport: http(url, { retryCount: 0 }), cacheTime: 0 });
  const log = (raw) => [
    raw.blockHash, Number(raw.blockNumber), raw.transactionHash, raw.logIndex,
    raw.address.toLowerCase(), raw.topics, raw.data,
  ];
  return {
    head: async () => Number(await client.getBlockNumber()),
    hashAt: async (number) => (await client.getBlock({ blockNumber: BigInt(number) })).hash,
    hashOf: async (hash) =>
      (await client.getBlock({ blockHash: hash }).catch(absent("BlockNotFoundError")))?.hash ?? null,
    transaction: async (hash) => {
      const found = await client.getTransaction({ hash }).catch(absent("TransactionNotFoundError"));
      return found && (found.blockHash ?? "waiting");
    },
    receipt: async (hash) => {
      const asked = client.getTransactionReceipt({ hash });
      const found = await asked.catch(absent("TransactionReceiptNotFoundError"));
      if (!found) return null;
      return [found.blockHash, Number(found.blockNumber), found.status === "success", found.logs.map(log)];
    },
    logs: async (first, last) =>
      (await client.getLogs({ fromBlock: BigInt(first), toBlock: BigInt(last) })).map(log),
    logsOf: async (blockHash) =>
      (await client.getLogs({ blockHash }).catch(absent("unknown block")))?.map(log) ?? null,
  };
}

function byEthers(url) {
  const fresh = { staticNetwork: true, batchMaxCount: 1, cacheTimeout: -1 };
  const client = new JsonRpcProvider(url, undefined, fresh);
  const log = (raw) => [
    raw.blockHash, raw.blockNumber, raw.transactionHash, raw.index,
    raw.address.toLowerCase(), raw.topics, raw.data,
  ];
  return {
    head: () => client.getBlockNumber(),
    hashAt: async (number) => (await client.getBlock(number)).hash,
    hashOf: async (hash) => (await client.getBlock(hash))?.hash ?? null,
    transaction: async (hash) => {
      const found = await client.getTransaction(hash);
      return found && (found.blockHash ?? "waiting");
    },
    receipt: async (hash) => {
      const found = await client.getTransactionReceipt(hash);
      return found && [found.blockHash, found.blockNumber, found.status === 1, found.logs.map(log)];
    },
    logs: async (first, last) => (await client.getLogs({ fromBlock: first, toBlock: last })).map(log),
    logsOf: async (blockHash) =>
      (await client.getLogs({ blockHash }).catch(absent("unknown block")))?.map(log) ?? null,
  };
}

const each = async (keys, ask) =>
  Object.fromEntries(await Promise.all(keys.map(async (key) => [key, await ask(key)])));

async function answer({ url, first, transactions, gone }) {
  const chain = { viem: byViem, ethers: byEthers }[process.argv[2]](url);
  const head = await chain.head();
  const heights = Array.from({ length: head - first + 1 }, (_, index) => first + index);
  const blocks = await Promise.all(heights.map(chain.hashAt));
  return {
    head,
    blocks,
    logs: await chain.logs(first, head),
    logs_of: await each([...blocks, ...gone], chain.logsOf),
    gone: await each(gone, chain.hashOf),
    transactions: await each(transactions, chain.transaction),
    receipts: await each(transactions, chain.receipt),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const told = await answer(JSON.parse(line)).catch((error) => ({ failed: String(error) }));
  console.log(JSON.stringify(told));
}
process.exit(0);
