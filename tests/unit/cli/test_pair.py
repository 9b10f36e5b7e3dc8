"""`pair` by hand, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Command


def test_exported_certificates_can_be_imported_on_the_other_side(
    command: Command, east: Path, west: Path, tmp_path: Path
) -> None:
    for own, other in ((east, west), (west, east)):
        exported = command("pair", "--export", "-c", other)
        assert "PRIVATE" not in exported.out
        certificate = tmp_path / "peer.crt"
        certificate.write_text(exported.out)
        taken = command("pair", "--import", certificate, "-c", own)
        assert (taken.code, taken.out) == (0, "")
        assert (own.parent / "state/identity/peer.crt").read_text() == exported.out


def test_the_name_in_the_configuration_counts(command: Command, east: Path, west: Path, tmp_path: Path) -> None:
    east.write_text(east.read_text().replace('# name = "cms-west"', 'name = "cms-north" #'))
    certificate = tmp_path / "peer.crt"
    certificate.write_text(command("pair", "--export", "-c", west).out)
    refused = command("pair", "--import", certificate, "-c", east)
    assert refused.code == 2
    assert "it belongs to cms-west, not to cms-north" in refused.err


@pytest.mark.parametrize(
    "arguments", [(), ("--accept", "--export"), ("--code", "1234-5678", "--accept"), ("--import", "none.crt")]
)
def test_one_way_to_pair_is_needed_and_files_must_be_there(
    command: Command, east: Path, arguments: tuple[str, ...]
) -> None:
    assert command("pair", *arguments, "-c", east).code == 2


def test_a_code_that_is_none_is_wrong_usage(command: Command, east: Path) -> None:
    assert command("pair", "--code", "12", "-c", east).code == 2


def test_a_peer_that_does_not_wait_is_exit_4(command: Command, east: Path) -> None:
    refused = command("pair", "--code", "1234-5678", "-c", east)
    assert refused.code == 4
    assert "pair --accept" in refused.err


def test_a_node_that_does_not_listen_can_not_accept(command: Command, east: Path) -> None:
    refused = command("pair", "--accept", "-c", east)
    assert refused.code == 2
    assert "listen.address" in refused.err


def test_a_private_key_is_not_taken_for_a_certificate(command: Command, east: Path) -> None:
    refused = command("pair", "--import", east.parent / "state/identity/node.key", "-c", east)
    assert refused.code == 2
    assert "not a node's certificate" in refused.err
