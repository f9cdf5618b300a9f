"""Prove the product against a Stripe test key, step by step: `make live-check`.

`STEPS` in `tests.live_check.steps` lists the steps. docs/install.md explains how to run them and how to read the table.
"""
