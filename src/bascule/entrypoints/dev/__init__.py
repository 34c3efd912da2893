"""`bascule dev`: the whole system in one process tree on one machine. Never for production."""
