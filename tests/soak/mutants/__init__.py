"""Planted bugs: each patch here breaks one rule of the ledger, and names the tests that must notice."""
