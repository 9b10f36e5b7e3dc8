"""The CLI's side of the control socket: asks a running node, and turns its refusals into our errors again."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sync import errors
from sync.errors import AdminSyncError, UsageError
from sync.ops.control_server import SOCKET_NAME, socket_address

ANSWER_TIMEOUT_S = 30.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("node", timeout=ANSWER_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with socket_address(self._path) as address:
            self.sock.connect(address)


class ControlClient:
    """Speaks to the node that owns a state directory. Every call opens a connection of its own."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / SOCKET_NAME

    def status(self) -> dict[str, Any]:
        """status.json. Raises `UsageError` where no node runs."""
        return self._one("GET", "/status.json")

    def snapshot(self, tables: Sequence[str]) -> int:
        """Start a run over `tables` (all where empty); gives its number. Raises what the node refuses with."""
        return int(self._one("POST", "/snapshot", {"tables": list(tables)})["run"])

    def verify(self, tables: Sequence[str], *, repair: bool) -> Generator[dict[str, Any], None, None]:
        """Progress, then the result with `final`. Raises what the node refuses with."""
        return self._stream("POST", "/verify", {"tables": list(tables), "repair": repair})

    def tail(self, tables: Sequence[str]) -> Generator[dict[str, Any], None, None]:
        """Changes as they pass, without end."""
        query = urlencode([("table", table) for table in tables])
        return self._stream("GET", f"/tail?{query}" if query else "/tail")

    def _one(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        for answer in self._stream(method, path, body, timeout_s=ANSWER_TIMEOUT_S):
            return answer
        raise self._garbled("an empty answer")

    def _stream(
        self, method: str, path: str, body: dict[str, Any] | None = None, timeout_s: float | None = None
    ) -> Generator[dict[str, Any], None, None]:
        connection = _UnixConnection(self._path)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            if timeout_s is None and connection.sock is not None:
                connection.sock.settimeout(None)
            response = connection.getresponse()
            for line in response:
                answer = json.loads(line)
                if not isinstance(answer, dict):
                    raise self._garbled("an answer that is no object")
                if isinstance(answer.get("error"), dict):
                    raise _error(answer["error"])
                yield answer
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise self._not_running() from error
        except PermissionError as error:
            why = "only the node's own user may use its control socket"
            raise UsageError(f"may not open {self._path}", why, "Run this as that user, or with sudo -u.") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._garbled(str(error) or type(error).__name__) from error
        finally:
            connection.close()

    def _not_running(self) -> UsageError:
        return UsageError(
            f"no running node at {self._path.parent}", "nothing answers there", "Start it with `admin-sync run`."
        )

    def _garbled(self, why: str) -> AdminSyncError:
        return UsageError("the node did not answer properly", why, "See its log; it may be ending.")


def _error(described: dict[str, Any]) -> AdminSyncError:
    what, why, remedy = (str(described.get(key, "")) for key in ("what", "why", "remedy"))
    kind = getattr(errors, str(described.get("kind")), AdminSyncError)
    known = isinstance(kind, type) and issubclass(kind, AdminSyncError)
    return _Remote(kind if known else AdminSyncError, what, why, remedy)


class _Remote(AdminSyncError):
    """An error of the node's, with its exit code. The classes take other arguments; these three texts cross."""

    def __init__(self, kind: type[AdminSyncError], what: str, why: str, remedy: str) -> None:
        super().__init__(what, why, remedy)
        self.exit_code = kind.exit_code
        self.kind = kind.__name__
