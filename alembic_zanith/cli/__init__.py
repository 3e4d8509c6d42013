"""The `alembic zanith-*` commands: thin shells over `alembic_zanith.recovery`.

`recover` runs one from Python, for example as a command of a Flask application that uses
Flask-Migrate:

    @app.cli.command("zanith-recover", context_settings={"ignore_unknown_options": True})
    @click.argument("arguments", nargs=-1)
    def zanith_recover(arguments):
        recover(app.extensions["migrate"].migrate.get_config(), arguments)
"""

from .main import recover

__all__ = ["recover"]
