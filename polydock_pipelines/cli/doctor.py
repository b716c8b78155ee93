"""`polydock doctor`: a line for each thing that must be right, and what to mend."""


def doctor() -> None:
    """Check database, migrations, Lagoon, SSH, SMTP and Dagster."""
