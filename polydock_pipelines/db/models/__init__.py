"""One module a group of tables; plain rows without behaviour."""
