"""Wallet keys. Importable by the signer service and wiring alone."""
