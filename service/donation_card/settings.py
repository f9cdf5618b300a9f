"""Settings: read once from the environment, every mistake named at once, with where to set it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from donation_card.errors import ConfigFault, ConfigurationError
from donation_card.observability import tracing

STRIPE_ORIGINS: Final = {
    # https://docs.stripe.com/security/guide#content-security-policy
    "script": ("https://js.stripe.com", "https://*.js.stripe.com", "https://checkout.stripe.com"),
    "frame": (
        "https://js.stripe.com",
        "https://*.js.stripe.com",
        "https://checkout.stripe.com",
        "https://hooks.stripe.com",
    ),
    "connect": ("https://api.stripe.com", "https://checkout.stripe.com"),
    "img": ("https://*.stripe.com",),
    "form": ("https://checkout.stripe.com",),
}
STRIPE_SCRIPT: Final = "https://js.stripe.com/endive/stripe.js"

_PLACEHOLDER = re.compile(
    r"change.?me|replace|example|your|secret$|password|xxx|\.\.\.|^(sk|pk|rk|whsec)_(test_|live_)?$", re.I
)

_HIDDEN = re.compile("SECRET|TOKEN|KEY|REDIS_URL")
"""What a message about a wrong value never repeats: it may be a secret, also one that was put into the wrong place."""

_HOSTS = r"([^@/\s]+@)?[A-Za-z0-9._-]+(:\d{1,5})?(,[A-Za-z0-9._-]+(:\d{1,5})?)*"
_SEVERAL = re.compile(rf"rediss?\+(sentinel://{_HOSTS}/[A-Za-z0-9._-]+(/\d+)?|cluster://{_HOSTS}/?)")


@dataclass(frozen=True, slots=True)
class Settings:
    """How one installation is set up. `article_origin` and `publication_every` belong to the demo alone."""

    stripe_secret_key: str
    stripe_publishable_key: str
    stripe_webhook_secrets: tuple[str, ...]
    redis_url: str
    public_url: str
    secret_keys: tuple[str, ...]
    campaigns_dir: Path = Path("campaigns")
    redis_min_replicas_ack: int = 0
    stripe_rate_limit: int = 25
    stripe_api_base: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    forwarded_allow_ips: str = "127.0.0.1"
    log_level: str = "info"
    metrics_tokens: tuple[str, ...] = ()
    otlp_endpoint: str | None = None
    demo_article_origin: str | None = None
    demo_publication_interval: str | None = None

    @property
    def livemode(self) -> bool:
        return "_live_" in self.stripe_secret_key

    @property
    def stripe_script(self) -> str:
        base = self.stripe_api_base
        return STRIPE_SCRIPT.replace("https://js.stripe.com", base) if base else STRIPE_SCRIPT

    def stripe_origins(self, use: str) -> tuple[str, ...]:
        """Content-Security-Policy sources; another `STRIPE_API_BASE` replaces them all."""
        return (self.stripe_api_base,) if self.stripe_api_base else STRIPE_ORIGINS[use]


def from_environment(environment: Mapping[str, str], *, required: Collection[str] | None = None) -> Settings:
    """Raises Misconfigured with one fault for each variable that is missing or wrong.

    `needs`: the only ones that matter, for commands that come before the others can be known.
    """
    faults: list[ConfigFault] = []

    def read(name: str, allowed: str, good: Callable[[str], bool], default: str | None = None) -> str:
        value = environment.get(name, "").strip() or (default or "")
        if not value or not good(value):
            shown = (
                "nothing" if not value else "a value that is not shown here" if _HIDDEN.search(name) else repr(value)
            )
            faults.append(ConfigFault("environment", name, shown, allowed))
        return value

    def listed(name: str, allowed: str, good: Callable[[str], bool]) -> tuple[str, ...]:
        values = [part.strip() for part in read(name, allowed, bool).split(",")]
        if values != [""] and not all(good(value) for value in values):
            faults.append(ConfigFault("environment", name, "a value that is not shown here", allowed))
        return tuple(values)

    settings = Settings(
        stripe_secret_key=read(
            "STRIPE_SECRET_KEY",
            "a restricted or secret key of your Stripe account (rk_… or sk_…), from Dashboard → Developers → API keys",
            lambda v: _filled(v) and v.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")),
        ),
        stripe_publishable_key=read(
            "STRIPE_PUBLISHABLE_KEY",
            "the publishable key beside it (pk_…), of the same mode",
            lambda v: (
                _filled(v)
                and v.startswith(("pk_test_", "pk_live_"))
                and ("_live_" in v) == ("_live_" in environment.get("STRIPE_SECRET_KEY", v))
            ),
        ),
        stripe_webhook_secrets=listed(
            "STRIPE_WEBHOOK_SECRET",
            "the signing secret of the webhook endpoint (whsec_…); several, comma-separated, while you rotate it",
            lambda v: _filled(v) and v.startswith("whsec_") and len(v) >= 16,
        ),
        redis_url=read(
            "REDIS_URL",
            "redis://…, rediss://… or unix://…; redis+sentinel://host:port,host:port/name; redis+cluster://host:port,host:port",
            lambda v: v.startswith(("redis://", "rediss://", "unix://")) or bool(_SEVERAL.fullmatch(v)),
        ),
        redis_min_replicas_ack=int(
            _number(
                read(
                    "REDIS_MIN_REPLICAS_ACK",
                    "how many replicas must have a gift, 0 to 8",
                    _number_up_to(8, 0),
                    default="0",
                )
            )
        ),
        public_url=read(
            "PUBLIC_URL",
            "the address under which browsers reach this service, without a path: https://give.example.org",
            _origin,
        ).rstrip("/"),
        secret_keys=listed(
            "SECRET_KEYS",
            "random text of 32 characters or more, newest first, comma-separated: openssl rand -hex 32",
            lambda v: _filled(v) and len(v) >= 32 and len(set(v)) > 7,
        ),
        campaigns_dir=Path(
            read("CAMPAIGNS_DIR", "a folder of campaign files", lambda v: Path(v).is_dir(), default="campaigns")
        ),
        stripe_rate_limit=int(
            _number(
                read(
                    "STRIPE_RATE_LIMIT",
                    "requests a second that Stripe takes from your account at one endpoint, 5 to 5000",
                    _number_up_to(5_000, 5),
                    default="25",
                )
            )
        ),
        stripe_api_base=(
            read("STRIPE_API_BASE", "an address without a path; leave it out for Stripe itself", _origin)
            if environment.get("STRIPE_API_BASE")
            else None
        ),
        host=environment.get("HOST") or "127.0.0.1",
        port=int(_number(read("PORT", "a port, 1 to 65535", _number_up_to(65535), default="8000"))),
        workers=int(_number(read("WEB_CONCURRENCY", "how many workers, 1 to 64", _number_up_to(64), default="1"))),
        forwarded_allow_ips=environment.get("FORWARDED_ALLOW_IPS") or "127.0.0.1",
        log_level=read(
            "LOG_LEVEL",
            "debug, info, warning or error",
            lambda v: v in {"debug", "info", "warning", "error"},
            default="info",
        ),
        otlp_endpoint=(
            read(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "the address of a collector (HTTP) without a path, and the extra otel installed: donation-card[otel]",
                lambda v: _origin(v) and tracing.is_installed(),
            ).rstrip("/")
            if environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
            else None
        ),
        metrics_tokens=(
            listed(
                "METRICS_TOKEN",
                "random text of 32 characters or more, without spaces, comma-separated while you rotate it; "
                "leave it out, and nobody reads the metrics",
                lambda v: _filled(v) and len(v) >= 32 and len(set(v)) > 7 and v.isascii() and " " not in v,
            )
            if environment.get("METRICS_TOKEN")
            else ()
        ),
    )
    if required is not None:
        faults = [fault for fault in faults if fault.field in required]
    if faults:
        raise ConfigurationError(faults)
    return settings


def _filled(value: str) -> bool:
    return not _PLACEHOLDER.search(value)


def _origin(value: str) -> bool:
    parts = urlsplit(value)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.path in {"", "/"} and not parts.query


def _number_up_to(most: int, least: int = 1) -> Callable[[str], bool]:
    return lambda value: value.isascii() and value.isdigit() and least <= int(value) <= most


def _number(value: str) -> str:
    """A wrong number is already a fault; reading goes on, to name the others too."""
    return value if value.isascii() and value.isdigit() else "0"
