"""Mails: templates and their contexts."""
