"""Misbehaviour on demand: one vocabulary of faults, used by the local chain and by any proxy before a node.

`vocabulary` says which kinds there are, `armed` which are set and how often each hit, `exchange` sends one
request through them, `delivery` puts the answer on the wire. What bends an answer is a pure function.
"""
