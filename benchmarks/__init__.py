"""Reproducible measurements, one module for each; `bascule bench NAME` runs them. Part of a checkout only."""
