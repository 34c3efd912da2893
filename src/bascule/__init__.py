"""Bascule: the on-chain stablecoin settlement bridge."""
