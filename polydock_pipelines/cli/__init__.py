"""The `polydock` command; one file a noun."""
