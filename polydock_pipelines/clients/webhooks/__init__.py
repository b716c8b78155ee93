"""Sends webhooks: signed, to public addresses only, within a bounded time."""
