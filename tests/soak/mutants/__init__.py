"""Mutants: each patch in this folder breaks one rule and names the tests that must fail."""
