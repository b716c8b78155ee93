"""Mails over SMTP, as RFC 5321 has it: on a server of ours or a provider's."""
