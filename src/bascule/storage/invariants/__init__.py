"""The invariants of an installation, by noun: each a query that names whatever contradicts it."""
