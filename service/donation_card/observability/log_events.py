"""Names of all log events. docs/monitor.md says what each means and what to do."""

from __future__ import annotations

from enum import StrEnum


class LogEvent(StrEnum):
    ATTACK_MODE_CHANGED = "attack_mode_changed"
    BACKGROUND_TASK_DELAYED = "background_task_delayed"
    BACKGROUND_TASK_FAILED = "background_task_failed"
    CAMPAIGN_FILE_INVALID = "campaign_file_invalid"
    CAMPAIGN_FILE_READ = "campaign_file_read"
    CAMPAIGN_FILE_REMOVED = "campaign_file_removed"
    CAMPAIGN_REFRESH_FAILED = "campaign_refresh_failed"
    CAMPAIGN_SYNC_FAILED = "campaign_sync_failed"
    CAMPAIGN_UNKNOWN = "campaign_unknown"
    CHECKOUT_ORIGIN_UNKNOWN = "checkout_origin_unknown"
    CLOCK_WAS_AHEAD = "clock_was_ahead"
    CURRENCY_DIFFERS = "currency_differs"
    DEPENDENCY_UNAVAILABLE = "dependency_unavailable"
    EVENT_IGNORED = "event_ignored"
    EVENT_LIST_FAILED = "event_list_failed"
    LOG_LINES_DROPPED = "log_lines_dropped"
    OBJECT_NOT_OURS = "object_not_ours"
    OBJECT_UNREADABLE = "object_unreadable"
    PAID_SESSION_NOT_RECORDED = "paid_session_not_recorded"
    PROGRESS_REFRESH_FAILED = "progress_refresh_failed"
    REBUILD_FINISHED = "rebuild_finished"
    REBUILD_STARTED = "rebuild_started"
    REFUND_STATUS_UNKNOWN = "refund_status_unknown"
    SYNC_FINISHED = "sync_finished"
    SYNC_INVALIDATED = "sync_invalidated"
    TOTALS_MISMATCH = "totals_mismatch"
    UNHANDLED_ERROR = "unhandled_error"
    WARNED_BANK_COUNTRY = "warned_bank_country"
