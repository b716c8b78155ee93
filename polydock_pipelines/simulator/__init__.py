"""A local stand-in for Lagoon, amazee.ai and a mail server. Never used with real customers."""
