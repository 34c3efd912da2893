"""Postgres: each table belongs to one module and its .sql file."""
