"""What is true: money, identities, state machines and rules, as plain functions.

Nothing here reads a clock, a random source, a file, a node or a database; all of it comes in as
arguments. The same input gives the same answer, always and in every process.
"""
