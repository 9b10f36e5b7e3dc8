"""Informix SQL for sqlglot: `sqlglot.parse_one(sql, dialect="informix")` works once this is imported.

The rule it keeps: two dialects, for one setting of a session turns double quotes from strings into names. `informix`
is without DELIMIDENT, as sessions are unless told otherwise; there a name that is not plain can not be written, and
asking for it raises. `informixdelimident` quotes such names, and takes them as they are.
"""

from __future__ import annotations

from sqlglot import tokens
from sqlglot.dialects.dialect import Dialect, NormalizationStrategy
from sqlglot.tokenizer_core import TokenType

from adapters.informix.generator import InformixGenerator
from adapters.informix.parser import InformixParser

_KEYWORDS = {
    **{
        word: kind
        for word, kind in tokens.Tokenizer.KEYWORDS.items()
        if word not in {"/*+", "{%", "{{+", "{{-", "%}", "?::", "GLOB"}
    },
    "MATCHES": TokenType.GLOB,
}
_COMMANDS = tokens.Tokenizer.COMMANDS - {TokenType.EXECUTE}


class Informix(Dialect):
    """Without DELIMIDENT: double quotes hold strings."""

    NORMALIZATION_STRATEGY = NormalizationStrategy.LOWERCASE
    NORMALIZE_FUNCTIONS = False

    class Tokenizer(tokens.Tokenizer):  # noqa: D106
        QUOTES = ["'", '"']
        IDENTIFIERS = ["\0"]
        COMMENTS = ["--", ("/*", "*/"), ("{", "}")]
        NESTED_COMMENTS = False
        KEYWORDS = _KEYWORDS
        COMMANDS = _COMMANDS

    Parser = InformixParser
    Generator = InformixGenerator


class InformixDelimident(Informix):
    """With DELIMIDENT: double quotes hold names, which keep their case."""

    class Tokenizer(Informix.Tokenizer):  # noqa: D106
        QUOTES = ["'"]
        IDENTIFIERS = ['"']

    Parser = InformixParser
    Generator = InformixGenerator
