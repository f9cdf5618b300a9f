"""Name every key in Redis. Its prefix is `donation-card:`, and docs/architecture.md describes the values.

The braces are the hash tag of Redis Cluster: all keys of a campaign are in one slot, and all keys of an account in
another. So one script can change them together.
"""

from dataclasses import dataclass

from donation_card.application.ports.payments import Account


@dataclass(frozen=True, slots=True)
class CampaignKeys:
    account: Account
    campaign: str

    @property
    def meta(self) -> str:
        return self._key("meta")

    def published(self, site: str | None = None) -> str:
        """Return the key of the public total of the campaign, or of one site."""
        return self._key("published" if site is None else f"published:{site}")

    def generation(self, generation: str) -> tuple[str, str]:
        """Return the keys of the versions and of the totals. Without a generation they are keys that exist.

        While a slot of a cluster moves, no script may name a key that exists and one that does not.
        """
        if not generation:
            return self.meta, self.meta
        return self._key(f"versions:{generation}"), self._key(f"totals:{generation}")

    def _key(self, name: str) -> str:
        return f"donation-card:{{{self.account.id}/{self.account.environment}/{self.campaign}}}:{name}"


def account_key(account: Account) -> str:
    """Return the key of the campaigns and the sync history of an account."""
    return _of_account(account, "account")


def lease_key(account: Account) -> str:
    return _of_account(account, "lease")


def touched_key(account: Account) -> str:
    """Return the key of the totals that may have changed in public, with the order of the changes."""
    return _of_account(account, "touched")


def limits_key(account: Account) -> str:
    return _of_account(account, "limits")


def consumed_key(account: Account, value: str) -> str:
    """Return the key that marks a value as used."""
    return _of_account(account, f"consumed:{value}")


def form_key(account: Account, form_hash: str) -> str:
    return _of_account(account, f"form:{form_hash}")


def fingerprint_key(fingerprint: str) -> str:
    """Return the key that names the account of a Stripe key."""
    return f"donation-card:account:{fingerprint}"


def _of_account(account: Account, name: str) -> str:
    return f"donation-card:{{{account.id}/{account.environment}}}:{name}"
