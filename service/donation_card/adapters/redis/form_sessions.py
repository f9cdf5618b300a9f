"""Store in Redis what all workers share about one donation form."""

from donation_card.adapters.redis.connection import RedisConnection, load_script
from donation_card.adapters.redis.keys import form_key
from donation_card.application.ports.payments import Account
from donation_card.domain.lifetimes import SESSION_LIFETIME


class RedisFormSessionStore:
    """Implement `ports.FormSessionStore`."""

    def __init__(self, connection: RedisConnection) -> None:
        self._redis = connection

    async def begin_order(self, account: Account, form_hash: str, order_key: str, max_orders: int) -> str | None:
        answer, latest = await self._run(account, form_hash, order_key=order_key, max_orders=max_orders)
        return latest if answer == "ok" else None

    async def record_session(self, account: Account, form_hash: str, encrypted_session: str) -> str:
        _, previous = await self._run(account, form_hash, encrypted_session=encrypted_session)
        return previous

    async def _run(
        self, account: Account, form_hash: str, *, order_key: str = "", max_orders: int = 0, encrypted_session: str = ""
    ) -> list[str]:
        keys, args = (form_key(account, form_hash),), (order_key, max_orders, encrypted_session)
        # as long as the latest checkout session can be paid
        return await self._redis.run(load_script("form_session"), keys, (*args, SESSION_LIFETIME))
