"""The database: models, queries, migrations. SQLAlchemy lives here."""
