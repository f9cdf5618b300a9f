"""Settings: environment variables, read once at the start. `SETTINGS` lists them all.

A wrong or missing setting is an error that names the setting, the given value and the allowed values. Values of secrets
are never repeated.
"""

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from donation_card.errors import ConfigFault, ConfigurationError
from donation_card.observability import tracing

STRIPE_ORIGINS = {
    # https://docs.stripe.com/security/guide#content-security-policy
    "script": ("https://js.stripe.com", "https://*.js.stripe.com"),
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
STRIPE_SCRIPT = "https://js.stripe.com/endive/stripe.js"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one installation. The fields `demo_…` are for the demo only."""

    stripe_secret_key: str
    stripe_publishable_key: str
    stripe_webhook_secrets: tuple[str, ...]
    redis_url: str
    public_url: str
    secret_keys: tuple[str, ...]
    publication_key: str = ""
    campaigns_dir: Path = Path("campaigns")
    picture_cache_dir: Path = Path("picture-cache")
    fallback_pages_dir: Path | None = None
    redis_min_replicas_ack: int = 0
    stripe_rate_limit: int = 25
    stripe_account: str | None = None
    stripe_checkout_origin: str | None = None
    stripe_api_base: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    instances: int = 1
    forwarded_allow_ips: str = "127.0.0.1"
    log_level: str = "info"
    metrics_tokens: tuple[str, ...] = ()
    otlp_endpoint: str | None = None
    demo_article_origin: str | None = None
    demo_publication_interval: str | None = None
    demo_campaigns_dir: Path | None = None

    @property
    def livemode(self) -> bool:
        return "_live_" in self.stripe_secret_key

    @property
    def campaign_folders(self) -> tuple[Path, ...]:
        return (self.campaigns_dir, self.demo_campaigns_dir) if self.demo_campaigns_dir else (self.campaigns_dir,)

    @property
    def stripe_script(self) -> str:
        base = self.stripe_api_base
        return STRIPE_SCRIPT.replace("https://js.stripe.com", base) if base else STRIPE_SCRIPT

    def stripe_origins(self, use: str) -> tuple[str, ...]:
        """Return the sources of a CSP directive. STRIPE_API_BASE replaces them all.

        A base whose host has a dot and is no address also stands for its subdomains, as js.stripe.com does.
        """
        base = self.stripe_api_base
        if use == "form":
            own = (self.stripe_checkout_origin,) if self.stripe_checkout_origin else ()
            return ((base,) if base else STRIPE_ORIGINS[use]) + own
        if not base:
            return STRIPE_ORIGINS[use]
        parts = urlsplit(base)
        host = parts.hostname or ""
        has_subdomains = use == "script" and "." in host and not re.fullmatch(r"[\d.]+", host)
        return (base, f"{parts.scheme}://*.{parts.netloc}") if has_subdomains else (base,)


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable, and how its text becomes a field of `Settings`."""

    name: str
    field: str
    help: str
    allowed: str
    """The last part of an error message."""
    parse: Callable[[str], Any]
    """Return the value. Raises ValueError."""
    default: str | None = None
    """None: the setting is required, or, where `optional`, has no value."""
    optional: bool = False
    secret: bool = False

    @property
    def required(self) -> bool:
        return self.default is None and not self.optional

    def text(self, environment: Mapping[str, str]) -> str:
        return environment.get(self.name, "").strip() or self.default or ""

    def fault(self, text: str) -> ConfigFault:
        shown = "nothing" if not text else "a value that is not shown here" if self.secret else repr(text)
        return ConfigFault("environment", self.name, shown, self.allowed)


def from_environment(environment: Mapping[str, str], *, required: Collection[str] | None = None) -> Settings:
    """Read all settings. Raises ConfigurationError with a fault for each setting that is missing or wrong.

    `required`: report faults of these settings only, and leave the others empty where they are missing or wrong.
    """
    values: dict[str, Any] = {}
    faults: list[ConfigFault] = []
    for setting in SETTINGS:
        text = setting.text(environment)
        if not text and setting.optional:
            continue
        try:
            values[setting.field] = setting.parse(text)
        except ValueError:
            faults.append(setting.fault(text))
            if setting.required:
                values[setting.field] = ""  # empty text, or an empty sequence of secrets
    faults += _key_mode_faults(environment, faults) + _live_faults(environment)
    if required is not None:
        faults = [fault for fault in faults if fault.field in required]
    if faults:
        raise ConfigurationError(faults)
    return Settings(**values)


def _key_mode_faults(environment: Mapping[str, str], faults: Collection[ConfigFault]) -> list[ConfigFault]:
    """Check that both Stripe keys have the same mode, test or live."""
    publishable = _setting("STRIPE_PUBLISHABLE_KEY")
    key, secret_key = publishable.text(environment), environment.get("STRIPE_SECRET_KEY", "")
    known = secret_key and publishable.name not in [fault.field for fault in faults]
    return [publishable.fault(key)] if known and ("_live_" in key) != ("_live_" in secret_key) else []


def _live_faults(environment: Mapping[str, str]) -> list[ConfigFault]:
    """Refuse settings that are for tests, while the key takes real money."""
    if "_live_" not in environment.get("STRIPE_SECRET_KEY", ""):
        return []
    allowed = {
        "STRIPE_API_BASE": ("", "nothing with a live key: payments go to Stripe itself"),
        "PUBLIC_URL": (
            r"(https://(?!localhost\b|127\.|\[).*|http://\w+\.onion)?",
            "an address on https:// with a live key",
        ),
        "PUBLICATION_KEY": (".+", "a random text that never changes, required with a live key: openssl rand -hex 32"),
    }
    return [
        replace(_setting(name).fault(text), allowed=help)
        for name, (pattern, help) in allowed.items()
        if not re.fullmatch(pattern, text := _setting(name).text(environment))
    ]


def _setting(name: str) -> Setting:
    return next(setting for setting in SETTINGS if setting.name == name)


_PLACEHOLDER = re.compile(
    r"change.?me|replace|example|your|secret$|password|xxx|\.\.\.|^(sk|pk|rk|whsec)_(test_|live_)?$", re.I
)
_HOSTS = r"([^@/\s]+@)?[A-Za-z0-9._-]+(:\d{1,5})?(,[A-Za-z0-9._-]+(:\d{1,5})?)*"
_REDIS_URL = re.compile(
    rf"(redis|rediss|unix)://.*|rediss?\+(sentinel://{_HOSTS}/[A-Za-z0-9._-]+(/\d+)?|cluster://{_HOSTS}/?)", re.S
)


def _checked(valid: bool, value: str) -> str:
    if not valid:
        raise ValueError
    return value


def _key(*prefixes: str) -> Callable[[str], str]:
    return lambda text: _checked(text.startswith(prefixes) and not _PLACEHOLDER.search(text), text)


def _matching(pattern: str | re.Pattern[str]) -> Callable[[str], str]:
    return lambda text: _checked(re.fullmatch(pattern, text) is not None, text)


def _several(parse: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    return lambda text: tuple(parse(part.strip()) for part in text.split(","))


def _webhook_secret(text: str) -> str:
    return _checked(text.startswith("whsec_") and len(text) >= 16 and not _PLACEHOLDER.search(text), text)


def _random_text(text: str) -> str:
    return _checked(len(text) >= 32 and len(set(text)) > 7 and not _PLACEHOLDER.search(text), text)


def _token(text: str) -> str:
    return _checked(text.isascii() and " " not in text, _random_text(text))


def _origin(text: str) -> str:
    parts = urlsplit(text)
    valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.path in {"", "/"} and not parts.query
    return _checked(valid, text).rstrip("/")


def _proxies(text: str) -> str:
    for part in text.split(",") if text not in {"*", "none"} else ():
        ipaddress.ip_network(part.strip(), strict=False)
    return text


def _integer(least: int, most: int) -> Callable[[str], int]:
    return lambda text: int(_checked(text.isascii() and text.isdigit() and least <= int(text) <= most, text))


SETTINGS = (
    Setting(
        "STRIPE_SECRET_KEY",
        "stripe_secret_key",
        "restricted key of the Stripe account",
        "a restricted or secret key of your Stripe account (rk_… or sk_…), from Dashboard → Developers → API keys",
        _key("sk_test_", "sk_live_", "rk_test_", "rk_live_"),
        secret=True,
    ),
    Setting(
        "STRIPE_PUBLISHABLE_KEY",
        "stripe_publishable_key",
        "publishable key of the same mode",
        "the publishable key beside it (pk_…), of the same mode",
        _key("pk_test_", "pk_live_"),
        secret=True,
    ),
    Setting(
        "STRIPE_WEBHOOK_SECRET",
        "stripe_webhook_secrets",
        "signing secret of the webhook endpoint",
        "the signing secret of the webhook endpoint (whsec_…); several, comma-separated, while you rotate it",
        _several(_webhook_secret),
        secret=True,
    ),
    Setting(
        "REDIS_URL",
        "redis_url",
        "address of Redis or Valkey",
        "redis://…, rediss://… or unix://…; redis+sentinel://host:port,host:port/name; "
        "redis+cluster://host:port,host:port",
        _matching(_REDIS_URL),
        secret=True,
    ),
    Setting(
        "PUBLIC_URL",
        "public_url",
        "address that browsers use",
        "the address under which browsers reach this service, without a path: https://give.example.org",
        _origin,
    ),
    Setting(
        "SECRET_KEYS",
        "secret_keys",
        "keys of form and session tokens",
        "random text of 32 characters or more, newest first, comma-separated: openssl rand -hex 32",
        _several(_random_text),
        secret=True,
    ),
    Setting(
        "PUBLICATION_KEY",
        "publication_key",
        "key of the secret thresholds of the public total",
        "random text of 32 characters or more that never changes: openssl rand -hex 32",
        _random_text,
        optional=True,
        secret=True,
    ),
    Setting(
        "CAMPAIGNS_DIR",
        "campaigns_dir",
        "folder of campaign files",
        "a folder of campaign files",
        lambda text: Path(_checked(Path(text).is_dir(), text)),
        default="campaigns",
    ),
    Setting(
        "PICTURE_CACHE_DIR",
        "picture_cache_dir",
        "folder of made images",
        "a folder that this service may create, write and empty",
        Path,
        default="picture-cache",
    ),
    Setting(
        "FALLBACK_PAGES_DIR",
        "fallback_pages_dir",
        "folder of pages for the proxy",
        "a folder that this service may create and write, and from which the proxy reads",
        Path,
        optional=True,
    ),
    Setting("HOST", "host", "address to listen on", "an address", str, default="127.0.0.1"),
    Setting("PORT", "port", "port to listen on", "a port, 1 to 65535", _integer(1, 65_535), default="8000"),
    Setting(
        "WEB_CONCURRENCY",
        "workers",
        "number of worker processes",
        "how many workers, 1 to 64",
        _integer(1, 64),
        default="1",
    ),
    Setting(
        "INSTANCES",
        "instances",
        "instances that share the limits",
        "how many instances of this service share one Stripe account, 1 to 100",
        _integer(1, 100),
        default="1",
    ),
    Setting(
        "FORWARDED_ALLOW_IPS",
        "forwarded_allow_ips",
        "trusted proxies (X-Forwarded-*)",
        "IP addresses or networks, comma-separated; none; or * if nobody reaches the service but through a proxy",
        _proxies,
        default="127.0.0.1",
    ),
    Setting(
        "STRIPE_ACCOUNT",
        "stripe_account",
        "id of the Stripe account",
        "the id of your Stripe account (acct_…), from Dashboard → Settings → Account; "
        "leave it out if the key may read the account",
        _matching(r"acct_[A-Za-z0-9]{1,80}"),
        optional=True,
    ),
    Setting(
        "STRIPE_CHECKOUT_ORIGIN",
        "stripe_checkout_origin",
        "origin of your own checkout domain",
        "the origin of your custom domain for Stripe's pages, https://pay.example.org; leave it out without one",
        _origin,
        optional=True,
    ),
    Setting(
        "STRIPE_RATE_LIMIT",
        "stripe_rate_limit",
        "requests a second that Stripe accepts",
        "requests a second that Stripe accepts from your account at one endpoint, 5 to 5000",
        _integer(5, 5_000),
        default="25",
    ),
    Setting(
        "REDIS_MIN_REPLICAS_ACK",
        "redis_min_replicas_ack",
        "replicas that must have a donation",
        "how many replicas must have a donation, 0 to 8",
        _integer(0, 8),
        default="0",
    ),
    Setting(
        "METRICS_TOKEN",
        "metrics_tokens",
        "token that reads the metrics",
        "random text of 32 characters or more, without spaces, comma-separated while you rotate it; "
        "leave it out, and nobody reads the metrics",
        _several(_token),
        optional=True,
        secret=True,
    ),
    Setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "otlp_endpoint",
        "OpenTelemetry collector",
        "the address of a collector (HTTP) without a path, and the extra otel installed: donation-card[otel]",
        lambda text: _checked(tracing.is_installed(), _origin(text)),
        optional=True,
    ),
    Setting(
        "LOG_LEVEL",
        "log_level",
        "lowest level in the log",
        "debug, info, warning or error",
        _matching("debug|info|warning|error"),
        default="info",
    ),
    Setting(
        "STRIPE_API_BASE",
        "stripe_api_base",
        "address instead of Stripe's, for tests",
        "an address without a path; leave it out for Stripe itself",
        _origin,
        optional=True,
    ),
)
"""Every setting, in the order of docs/configure.md."""
