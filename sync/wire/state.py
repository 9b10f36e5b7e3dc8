"""The states of a session, and every step between them.

Two rules: all steps stand in this file, and a step depends on nothing but the half, the state and the kind of message.
What a message contains is checked elsewhere, before the step is taken.

A session starts in GREETING. The sender (on the primary) speaks first: HELLO. The receiver (on the secondary) answers
with its own HELLO and JUDGEs the sender's; its owner then accepts (WELCOME) or refuses. The sender waits for that in
WAITING. OPEN carries batches one way, acknowledgements, results and beats the other way, requests and answers.
Either half says GOODBYE when it wants to leave: it is LEAVING until the other's GOODBYE comes, the other is LEFT until
it has said its own. After its GOODBYE a receiver still acknowledges what it had in hand; a sender says nothing more.
REFUSE ends a session from anywhere. A lost or silent connection ends it too, without a message.

Messages that were on their way when we said GOODBYE are dropped (in LEAVING): what is not acknowledged comes again.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final


class Half(Enum):
    """Which end of the session this is. The value is the word on the wire."""

    SENDER = "sender"
    """Lives on the primary, dials, sends batches."""
    RECEIVER = "receiver"
    """Lives on the secondary, listens, applies."""

    @property
    def other(self) -> Half:
        return Half.RECEIVER if self is Half.SENDER else Half.SENDER


class MessageKind(IntEnum):
    """The kind byte of a frame."""

    HELLO = 1
    WELCOME = 2
    REFUSE = 3
    BATCH = 4
    ACK = 5
    RESULTS = 6
    REQUEST = 7
    ANSWER = 8
    BEAT = 9
    BEAT_ANSWER = 10
    GOODBYE = 11


class State(Enum):
    GREETING = "greeting"
    """Nothing was heard of the peer yet."""
    JUDGING = "judging"
    """Receiver only: both hellos are out, the owner decides."""
    WAITING = "waiting"
    """Sender only: the peer decides."""
    OPEN = "open"
    LEAVING = "leaving"
    """We said goodbye."""
    LEFT = "left"
    """The peer said goodbye."""
    CLOSED = "closed"


K = MessageKind
_SENDER_TALK: Final = (K.BATCH, K.REQUEST, K.ANSWER, K.BEAT_ANSWER)
_RECEIVER_TALK: Final = (K.ACK, K.RESULTS, K.REQUEST, K.ANSWER, K.BEAT)
_LAST_WORDS: Final = (K.ACK, K.RESULTS)
"""What a receiver may still say after its goodbye."""

SENDS: Final[dict[tuple[Half, State], dict[MessageKind, State]]] = {
    (Half.SENDER, State.GREETING): {K.HELLO: State.GREETING, K.REFUSE: State.CLOSED},
    (Half.SENDER, State.WAITING): {K.REFUSE: State.CLOSED},
    (Half.SENDER, State.OPEN): {
        **dict.fromkeys(_SENDER_TALK, State.OPEN),
        K.GOODBYE: State.LEAVING,
        K.REFUSE: State.CLOSED,
    },
    (Half.SENDER, State.LEAVING): {K.REFUSE: State.CLOSED},
    (Half.SENDER, State.LEFT): {K.GOODBYE: State.CLOSED, K.REFUSE: State.CLOSED},
    (Half.RECEIVER, State.GREETING): {K.HELLO: State.JUDGING, K.REFUSE: State.CLOSED},
    (Half.RECEIVER, State.JUDGING): {K.WELCOME: State.OPEN, K.REFUSE: State.CLOSED},
    (Half.RECEIVER, State.OPEN): {
        **dict.fromkeys(_RECEIVER_TALK, State.OPEN),
        K.GOODBYE: State.LEAVING,
        K.REFUSE: State.CLOSED,
    },
    (Half.RECEIVER, State.LEAVING): {**dict.fromkeys(_LAST_WORDS, State.LEAVING), K.REFUSE: State.CLOSED},
    (Half.RECEIVER, State.LEFT): {
        **dict.fromkeys(_LAST_WORDS, State.LEFT),
        K.GOODBYE: State.CLOSED,
        K.REFUSE: State.CLOSED,
    },
}
"""What a half may send in a state, and the state after it."""

HEARS: Final[dict[tuple[Half, State], dict[MessageKind, State]]] = {
    (Half.SENDER, State.GREETING): {K.HELLO: State.WAITING, K.REFUSE: State.CLOSED},
    (Half.SENDER, State.WAITING): {K.WELCOME: State.OPEN, K.REFUSE: State.CLOSED},
    (Half.SENDER, State.OPEN): {
        **dict.fromkeys(_RECEIVER_TALK, State.OPEN),
        K.GOODBYE: State.LEFT,
        K.REFUSE: State.CLOSED,
    },
    (Half.SENDER, State.LEAVING): {
        **dict.fromkeys(_RECEIVER_TALK, State.LEAVING),
        K.GOODBYE: State.CLOSED,
        K.REFUSE: State.CLOSED,
    },
    (Half.SENDER, State.LEFT): {**dict.fromkeys(_LAST_WORDS, State.LEFT), K.REFUSE: State.CLOSED},
    (Half.RECEIVER, State.GREETING): {K.HELLO: State.GREETING, K.REFUSE: State.CLOSED},
    (Half.RECEIVER, State.JUDGING): {K.REFUSE: State.CLOSED},
    (Half.RECEIVER, State.OPEN): {
        **dict.fromkeys(_SENDER_TALK, State.OPEN),
        K.GOODBYE: State.LEFT,
        K.REFUSE: State.CLOSED,
    },
    (Half.RECEIVER, State.LEAVING): {
        **dict.fromkeys(_SENDER_TALK, State.LEAVING),
        K.GOODBYE: State.CLOSED,
        K.REFUSE: State.CLOSED,
    },
    (Half.RECEIVER, State.LEFT): {K.REFUSE: State.CLOSED},
}
"""What a half may hear in a state, and the state after it. Anything else breaks the protocol."""
