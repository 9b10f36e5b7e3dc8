"""The messages of a session as the heads of frames, and back.

The rule it keeps: every field is checked for type and range before a record is built, and a field that this release
does not know is ignored, so that a later one can add to a message without a new protocol version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sync.model.batch import Checkpoint, Encoded
from sync.model.position import Position
from sync.wire.checks import INT64_MAX, UINT32_MAX, Fields, array, integer, malformed, name, pack, text
from sync.wire.messages import Ack, Answer, BeatAnswer, Hello, Refusal, RefusalCode, Request, Resume
from sync.wire.state import Half

NAME_CHARS_MAX: Final = 512
SENTENCE_CHARS_MAX: Final = 4096
BEAT_INTERVAL_MS_MAX: Final = 3_600_000
LISTED_MAX: Final = 64
"""Versions, features or warnings of one message."""


def pack_hello(hello: Hello, wall_us: int) -> bytes:
    return pack(
        {
            "protocol_versions": hello.protocol_versions,
            "node": hello.node,
            "role": hello.role.value,
            "epoch": hello.epoch,
            "release": hello.release,
            "base_load": hello.base_load,
            "origin": hello.origin,
            "fingerprints": dict(hello.fingerprints),
            "wall_us": wall_us,
            "newest": hello.newest,
            "features": hello.features,
        }
    )


def read_hello(head: bytes) -> Hello:
    fields = Fields(head, "HELLO")
    versions = fields.array("protocol_versions")
    role = fields.text("role", NAME_CHARS_MAX)
    if role not in {half.value for half in Half}:
        malformed("HELLO.role", "it is neither sender nor receiver")
    if not 0 < len(versions) <= LISTED_MAX:
        malformed("HELLO.protocol_versions", f"{len(versions)} are not 1 to {LISTED_MAX}")
    prints = {
        name(table, "HELLO.fingerprints", NAME_CHARS_MAX): text(print_, "HELLO.fingerprints", NAME_CHARS_MAX)
        for table, print_ in fields.mapping("fingerprints").items()
    }
    return Hello(
        protocol_versions=tuple(integer(v, "HELLO.protocol_versions", 1, UINT32_MAX) for v in versions),
        node=fields.name("node", NAME_CHARS_MAX),
        role=Half(role),
        epoch=fields.integer("epoch"),
        release=fields.name("release", NAME_CHARS_MAX),
        base_load=fields.name("base_load", NAME_CHARS_MAX),
        origin=fields.name("origin", NAME_CHARS_MAX),
        fingerprints=prints,
        wall_us=fields.integer("wall_us", -INT64_MAX),
        newest=fields.position("newest"),
        features=fields.texts("features", NAME_CHARS_MAX, LISTED_MAX),
    )


def pack_welcome(resume: Resume, protocol: int, beat_interval_ms: int) -> bytes:
    checkpoint = resume.checkpoint
    return pack(
        {
            "protocol": protocol,
            "beat_interval_ms": beat_interval_ms,
            "checkpoint": None if checkpoint is None else [checkpoint.origin, checkpoint.epoch, checkpoint.position],
            "durable": resume.durable,
            "credit": resume.credit,
            "warnings": _listed(resume.warnings),
        }
    )


def _listed(warnings: Sequence[str]) -> list[str]:
    """What fits; the last line tells how many did not, because a welcome that is refused would come again for ever."""
    kept = [warning[:SENTENCE_CHARS_MAX] for warning in warnings[:LISTED_MAX]]
    if len(warnings) > LISTED_MAX:
        kept[-1] = f"and {len(warnings) - LISTED_MAX + 1} more"
    return kept


def read_welcome(head: bytes) -> tuple[Resume, int, int]:
    """The resume point, the protocol version and the milliseconds between the receiver's beats."""
    fields = Fields(head, "WELCOME")
    value, where = fields.get("checkpoint")
    checkpoint = None
    if value is not None:
        origin, epoch, position = array(value, where, 3)
        checkpoint = Checkpoint(
            name(origin, where, NAME_CHARS_MAX), integer(epoch, where), Position(integer(position, where))
        )
    resume = Resume(
        checkpoint=checkpoint,
        durable=fields.position("durable"),
        credit=fields.integer("credit", 1, UINT32_MAX),
        warnings=fields.texts("warnings", SENTENCE_CHARS_MAX, LISTED_MAX),
    )
    protocol = fields.integer("protocol", 1, UINT32_MAX)
    return resume, protocol, fields.integer("beat_interval_ms", 1, BEAT_INTERVAL_MS_MAX)


def pack_refusal(refusal: Refusal) -> bytes:
    cut = SENTENCE_CHARS_MAX
    return pack(
        {
            "code": refusal.code.value,
            "what": refusal.what[:cut],
            "why": refusal.why[:cut],
            "remedy": refusal.remedy[:cut],
        }
    )


def read_refusal(head: bytes) -> Refusal:
    """An unknown code becomes INTERNAL: a later release may have reasons that we do not know."""
    fields = Fields(head, "REFUSE")
    code = fields.text("code", NAME_CHARS_MAX)
    known = {each.value: each for each in RefusalCode}
    sentences = (fields.text(name, SENTENCE_CHARS_MAX) for name in ("what", "why", "remedy"))
    return Refusal(known.get(code, RefusalCode.INTERNAL), *sentences)


def pack_batch(sequence: int, epoch: int, encoded: Encoded) -> bytes:
    e = encoded
    return pack(
        {
            "sequence": sequence,
            "epoch": epoch,
            "first": e.first,
            "position": e.position,
            "part": e.part,
            "last": e.last,
            "transactions": e.transactions,
            "changes": e.changes,
            "bytes_raw": e.bytes_raw,
            "committed_at_us": e.committed_at_us,
        }
    )


def read_batch(head: bytes, payload: bytes) -> tuple[int, int, Encoded]:
    """Sequence number, epoch and the batch as announced; the payload is not looked into."""
    fields = Fields(head, "BATCH")
    encoded = Encoded(
        payload=payload,
        first=fields.position("first"),
        position=fields.position("position"),
        part=fields.integer("part"),
        last=fields.boolean("last"),
        transactions=fields.integer("transactions"),
        changes=fields.integer("changes"),
        bytes_raw=fields.integer("bytes_raw"),
        committed_at_us=fields.integer("committed_at_us", -INT64_MAX),
    )
    return fields.integer("sequence", 1), fields.integer("epoch"), encoded


def pack_ack(ack: Ack) -> bytes:
    head: dict[str, object] = {"received": ack.received, "applied": ack.applied, "durable": ack.durable}
    return pack(head | {"waits": ack.waits[:SENTENCE_CHARS_MAX]} if ack.waits else head)


def read_ack(head: bytes) -> Ack:
    fields = Fields(head, "ACK")
    waits = fields.text("waits", SENTENCE_CHARS_MAX) if "waits" in fields else ""
    return Ack(fields.integer("received"), fields.position("applied"), fields.position("durable"), waits)


def pack_request(request: Request) -> bytes:
    return pack({"number": request.number, "kind": request.kind, "body": request.body})


def read_request(head: bytes) -> Request:
    fields = Fields(head, "REQUEST")
    return Request(fields.integer("number", 1), fields.text("kind", NAME_CHARS_MAX), fields.mapping("body"))


def pack_answer(answer: Answer) -> bytes:
    return pack({"number": answer.number, "ok": answer.ok, "body": answer.body, "final": answer.final})


def read_answer(head: bytes) -> Answer:
    fields = Fields(head, "ANSWER")
    return Answer(fields.integer("number", 1), fields.boolean("ok"), fields.mapping("body"), fields.boolean("final"))


def pack_beat(number: int, round_trip_us: int) -> bytes:
    return pack({"number": number, "round_trip_us": round_trip_us})


def read_beat(head: bytes) -> tuple[int, int]:
    """Number, and the round trip that the receiver measured last, in microseconds (0 before the first)."""
    fields = Fields(head, "BEAT")
    return fields.integer("number", 1), fields.integer("round_trip_us")


def pack_beat_answer(number: int, answer: BeatAnswer) -> bytes:
    return pack(
        {
            "number": number,
            "newest": answer.newest,
            "oldest": answer.oldest,
            "capture_healthy": answer.capture_healthy,
            "committed_at_us": answer.committed_at_us,
            "spool_bytes": answer.spool_bytes,
            "note": answer.note[:SENTENCE_CHARS_MAX],
        }
    )


def read_beat_answer(head: bytes) -> tuple[int, BeatAnswer]:
    fields = Fields(head, "BEAT_ANSWER")
    answer = BeatAnswer(
        newest=fields.position("newest"),
        oldest=fields.position("oldest"),
        capture_healthy=fields.boolean("capture_healthy"),
        committed_at_us=fields.integer("committed_at_us", -INT64_MAX),
        spool_bytes=fields.integer("spool_bytes"),
        note=fields.text("note", SENTENCE_CHARS_MAX),
    )
    return fields.integer("number", 1), answer


def pack_goodbye(reason: str) -> bytes:
    return pack({"reason": reason[:SENTENCE_CHARS_MAX]})


def read_goodbye(head: bytes) -> str:
    return Fields(head, "GOODBYE").text("reason", SENTENCE_CHARS_MAX)
