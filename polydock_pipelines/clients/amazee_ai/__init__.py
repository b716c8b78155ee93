"""amazee.ai's backend: users, private keys and teams over its REST API."""
