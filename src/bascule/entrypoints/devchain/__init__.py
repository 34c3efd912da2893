"""The local chain: eth-tester's EVM behind JSON-RPC, with a queue, stored blocks and reorgs on demand.

Import `node.DevChain` where a chain is started and `accounts` where only the well-known keys are needed;
this package itself imports nothing, because py-evm alone costs a second.
"""
