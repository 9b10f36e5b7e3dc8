"""Where the database password comes from, and how it stays out of files that others read, logs and arguments.

Sources, first found wins: `database.password_file`, systemd's credential `db-password`, the variable
ADMIN_SYNC_DB_PASSWORD. A password inside the URL is refused: URLs are shown and logged.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from sync.errors import UsageError
from sync.model.catalog import Finding, Severity
from sync.ops.config_model import Config

VARIABLE = "ADMIN_SYNC_DB_PASSWORD"
CREDENTIAL = "db-password"
PASSWORD_BYTES_MAX = 4096
REMEDY = f"Use database.password_file, the systemd credential {CREDENTIAL}, or the variable {VARIABLE}."


def url_findings(url: str) -> list[str]:
    """Say what is wrong with a database URL, without repeating it."""
    try:
        parts = urlsplit(url)
        secret = parts.password is not None or "password=" in parts.query.lower()
    except ValueError:
        return ["database.url: not a URL"]
    if "://" not in url:
        return ["database.url: has no scheme; write for example sqlite:///path or postgresql://user@host/database"]
    return [f"database.url: holds a password, and URLs are shown and logged. {REMEDY}"] if secret else []


def database_password(config: Config, environment: Mapping[str, str] = os.environ) -> str | None:
    """Find the password; None where no source is configured.

    Raises `UsageError` where a configured source can not be read or others may read it.
    """
    if config.database.password_file is not None:
        return _read(config.directory / config.database.password_file)
    if directory := environment.get("CREDENTIALS_DIRECTORY"):
        credential = Path(directory) / CREDENTIAL
        if credential.exists():
            return _read(credential)
    return environment.get(VARIABLE)


def password_findings(config: Config, environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """Judge the password's source for `check`."""
    try:
        password = database_password(config, environment)
    except UsageError as error:
        return [Finding("database password", Severity.PROBLEM, f"{error.what}: {error.why}", error.remedy)]
    message = "found" if password is not None else "none configured"
    return [Finding("database password", Severity.OK, message)]


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(PASSWORD_BYTES_MAX + 1)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"can not read the password file {path}", why, "Let the node's user read it.") from error
    if stat.S_ISREG(mode) and mode & (stat.S_IROTH | stat.S_IWOTH):
        remedy = f"Run: chmod 600 {path}"
        raise UsageError(f"the password file {path} is not safe", "every user of this machine can read it", remedy)
    try:
        password = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        password = ""
    if not password or len(content) > PASSWORD_BYTES_MAX or "\n" in password or "\x00" in password:
        remedy = "Write the password into it as one line of text."
        raise UsageError(f"the password file {path} holds no password", "it must be one line of UTF-8 text", remedy)
    return password
