"""The control API over real sockets: what it answers, what it refuses, and that it ends at once."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import stat
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sync.errors import AdminSyncError, PeerUnreachable, RoleError, UsageError
from sync.model import notice as seen
from sync.model.position import Position
from sync.ops.client import ControlClient
from sync.ops.clock import SystemClock
from sync.ops.control import BODY_BYTES_MAX, Control
from sync.ops.control_server import ControlServer
from sync.ops.status import StatusBoard

Answer = TypeVar("Answer")
HERE = "127.0.0.1"


class FakeNode:
    """Answers like a node."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.tails_open = 0

    async def snapshot(self, tables: Sequence[str]) -> int:
        if "hsplit" in tables:
            raise UsageError("not replicated: hsplit", "call data", "See check.")
        self.asked.append(tuple(tables))
        return 7

    async def verify(self, tables: Sequence[str], *, repair: bool) -> AsyncIterator[dict[str, object]]:
        yield {"table": "a", "rows": 1}
        if "gone" in tables:
            raise PeerUnreachable("the peer is gone", "reset", "Wait.")
        if "wrong" in tables:
            raise RoleError("this node is fenced")
        yield {"final": True, "equal": not repair, "tables": {}, "differences": []}

    async def tail(self, tables: Sequence[str]) -> AsyncIterator[dict[str, object]]:
        self.tails_open += 1
        try:
            yield {"table": tables[0] if tables else "any", "op": "insert", "row": {"b": b"\x01", "s": "é\ud800"}}
            await asyncio.Event().wait()
        finally:
            self.tails_open -= 1


class Scene:
    """A served node, and a way to ask it from another thread as the CLI would."""

    def __init__(self, state_dir: Path, http: tuple[str, int] | None = None, *, up: bool = True) -> None:
        self.node = FakeNode()
        self.board = StatusBoard("cms-east", "primary", "cms-west", (), SystemClock())
        self.server = ControlServer(Control(self.board, self.node if up else None), state_dir, http)
        self.client = ControlClient(state_dir)
        self.state_dir = state_dir

    def play(self, act: Callable[[Scene], Answer]) -> Answer:
        async def scene() -> Answer:
            stopping = asyncio.Event()
            serving = asyncio.create_task(self.server.run(stopping))
            try:
                return await asyncio.to_thread(act, self)
            finally:
                stopping.set()
                await serving

        return asyncio.run(scene())

    def get(self, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
        """Ask over TCP."""
        connection = http.client.HTTPConnection(HERE, self.server.http_port, timeout=10)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


def test_the_socket_is_the_owners_alone_and_goes_with_the_node(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    path = tmp_path / "control.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert scene.play(lambda on: on.client.status())["node"] == "cms-east"
    assert not path.exists()


def test_a_dead_nodes_socket_is_replaced_and_a_file_of_another_kind_is_not(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    Scene(tmp_path).server.close()
    path.write_text("mine")
    with pytest.raises(UsageError, match="can not open the control socket"):
        Scene(tmp_path)
    assert path.read_text() == "mine"


def test_a_state_directory_deeper_than_a_socket_address_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    assert Scene(deep).play(lambda on: on.client.status())["role"] == "primary"


def test_without_a_node_the_client_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Start it with `admin-sync run`"):
        ControlClient(tmp_path).status()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control.sock"))
    with pytest.raises(UsageError, match="no running node"):
        ControlClient(tmp_path).status()


def test_actions_reach_the_node(tmp_path: Path) -> None:
    scene = Scene(tmp_path)

    def act(on: Scene) -> tuple[int, list[dict[str, Any]]]:
        return on.client.snapshot(["synonyms"]), list(on.client.verify([], repair=True))

    run, steps = scene.play(act)
    assert (run, scene.node.asked) == (7, [("synonyms",)])
    assert steps[0] == {"table": "a", "rows": 1}
    assert (steps[-1]["final"], steps[-1]["equal"]) == (True, False)


@pytest.mark.parametrize(("table", "exit_code", "what"), [("gone", 4, "the peer is gone"), ("wrong", 5, "fenced")])
def test_an_error_inside_a_stream_comes_out_with_its_exit_code(
    tmp_path: Path, table: str, exit_code: int, what: str
) -> None:
    with pytest.raises(AdminSyncError, match=what) as caught:
        Scene(tmp_path).play(lambda on: list(on.client.verify([table], repair=False)))
    assert caught.value.exit_code == exit_code


def test_a_refusal_comes_out_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(AdminSyncError, match=r"not replicated: hsplit: call data\. See check\.") as caught:
        Scene(tmp_path).play(lambda on: on.client.snapshot(["hsplit"]))
    assert caught.value.exit_code == 2


def test_before_the_node_is_up_actions_are_refused_and_status_answers(tmp_path: Path) -> None:
    scene = Scene(tmp_path, up=False)

    def act(on: Scene) -> dict[str, Any]:
        with pytest.raises(AdminSyncError, match="not up yet"):
            on.client.snapshot([])
        return on.client.status()

    assert scene.play(act)["state"] == "starting"


def test_an_open_stream_does_not_delay_the_end_and_is_closed_in_the_node(tmp_path: Path) -> None:
    scene = Scene(tmp_path)

    async def play() -> float:
        stopping = asyncio.Event()
        serving = asyncio.create_task(scene.server.run(stopping))
        stream = scene.client.tail(["synonyms"])
        first = await asyncio.to_thread(next, stream)
        assert first == {"table": "synonyms", "op": "insert", "row": {"b": "01", "s": "é\ud800"}}
        assert scene.node.tails_open == 1
        began = time.monotonic()
        stopping.set()
        rest = await asyncio.to_thread(list, stream)
        await serving
        assert rest == []
        return time.monotonic() - began

    assert asyncio.run(play()) < 1.0
    assert scene.node.tails_open == 0


def test_a_client_that_goes_away_ends_its_stream_in_the_node(tmp_path: Path) -> None:
    scene = Scene(tmp_path)

    async def play() -> None:
        stopping = asyncio.Event()
        serving = asyncio.create_task(scene.server.run(stopping))
        stream = scene.client.tail([])
        await asyncio.to_thread(next, stream)
        stream.close()
        async with asyncio.timeout(10):
            while scene.node.tails_open:  # noqa: ASYNC110 (nothing else tells when the server has noticed)
                await asyncio.sleep(0.01)
        stopping.set()
        await serving

    asyncio.run(play())


def test_the_public_face_shows_and_does_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, (HERE, free_port()))

    def act(on: Scene) -> None:
        for path, text in (
            ("/", b"<!doctype html>"),
            ("/status.json", b'"cms-east"'),
            ("/healthz", b"ok"),
            ("/metrics", b"admin_sync_uptime_seconds"),
        ):
            status, body = on.get(path)
            assert (status, text in body) == (200, True), path
        for path in ("/snapshot", "/verify", "/tail"):
            assert on.get(path, "POST", b"{}")[0] == 404
            assert on.get(path)[0] == 404
        assert on.get("/status.json", "POST", b"{}")[0] == 405

    scene.play(act)
    assert scene.node.asked == []


def test_readiness_tells_a_load_balancer_which_node_is_active(tmp_path: Path) -> None:
    scene = Scene(tmp_path, (HERE, free_port()))

    def act(on: Scene) -> None:
        assert on.get("/readyz")[0] == 503
        on.board.notice(seen.CaptureRunning("journal", Position(1)))
        assert on.get("/readyz")[0] == 200
        assert on.get("/readyz?role=primary")[0] == 200
        status, body = on.get("/readyz?role=secondary")
        assert (status, json.loads(body)["role"]) == (503, "primary")

    scene.play(act)


def raw(path: Path, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = connection.recv(65536)
            if not piece:
                break
            answer += piece
        return answer


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"nonsense", b'{"tables": 1}', b'{"tables": [1]}', b"[" * 60000, b"x" * (BODY_BYTES_MAX + 1), b"\xff"],
)
def test_a_body_of_another_shape_is_refused(tmp_path: Path, body: bytes) -> None:
    head = b"POST /snapshot HTTP/1.1\r\nhost: node\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    answer = Scene(tmp_path).play(lambda on: raw(on.state_dir / "control.sock", head + body))
    assert answer.startswith(b"HTTP/1.1 200" if body == b"" else b"HTTP/1.1 400")


def test_an_address_in_use_is_a_usage_error_and_leaves_no_socket_behind(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HERE, 0))
        other.listen()
        with pytest.raises(UsageError, match=r"Change http\.address"):
            Scene(tmp_path, (HERE, other.getsockname()[1]))
    assert not (tmp_path / "control.sock").exists()
