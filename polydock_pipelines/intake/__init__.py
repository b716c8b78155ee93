"""The HTTP door: routes, schemas, forms."""
