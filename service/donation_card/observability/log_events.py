"""Names of all log events. docs/monitor.md says what each means and what to do."""

from enum import StrEnum

import structlog

log = structlog.get_logger()
"""The logger of all modules."""

LogEvent = StrEnum(
    "LogEvent",
    [
        "ATTACK_MODE_CHANGED",
        "BACKGROUND_TASK_DELAYED",
        "BACKGROUND_TASK_FAILED",
        "CAMPAIGNS_NOT_WATCHED",
        "CAMPAIGN_FILE_INVALID",
        "CAMPAIGN_FILE_READ",
        "CAMPAIGN_FILE_REMOVED",
        "CAMPAIGN_REFRESH_FAILED",
        "CAMPAIGN_SYNC_FAILED",
        "CAMPAIGN_UNKNOWN",
        "CHECKOUT_ORIGIN_UNKNOWN",
        "CLOCK_WAS_AHEAD",
        "CURRENCY_DIFFERS",
        "DEPENDENCY_UNAVAILABLE",
        "EVENT_LIST_FAILED",
        "EVENT_MALFORMED",
        "FALLBACK_PAGES_FAILED",
        "LIST_INCOMPLETE",
        "LOG_LINES_DROPPED",
        "OBJECT_NOT_OURS",
        "OBJECT_UNREADABLE",
        "PAID_SESSION_NOT_RECORDED",
        "PAYMENT_INCOMPLETE",
        "PAYMENT_UNKNOWN",
        "PICTURE_NOT_STORED",
        "PICTURE_UNREADABLE",
        "PROGRESS_REFRESH_FAILED",
        "REBUILD_CONTINUED",
        "REBUILD_FINISHED",
        "REBUILD_PROGRESS",
        "REBUILD_STARTED",
        "REFUND_STATUS_UNKNOWN",
        "REVERSAL_WITHOUT_PAYMENT",
        "SESSION_STATUS_UNKNOWN",
        "SYNC_FINISHED",
        "SYNC_INVALIDATED",
        "TOTALS_MISMATCH",
        "UNHANDLED_ERROR",
        "WARNED_BANK_COUNTRY",
    ],
)
"""The text of each event is its name in lower case."""
