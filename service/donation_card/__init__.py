"""Donation Card: an embeddable donation card and the small service behind it."""

__version__ = "0.1.0"
