"""EVM nodes: what we read from them and what we send to them."""
