"""Random turns with tool calls, byte by byte, and turns put together again from the events of their parser."""

import random
from collections.abc import Sequence

import torch

from palmette.grammar.acceptance import BYTE_VOCABULARY, STOP_TOKEN_ID, accepts_compiled
from palmette.grammar.bitmask import allowed_token_ids
from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.matcher import CompiledGrammar
from palmette.grammar.spec import Constraint, ToolCalls
from palmette.grammar.tool_calls.call_events import (
    ArgumentsDelta,
    CallEnded,
    CallEvent,
    CallStarted,
    ReasoningDelta,
    ReasoningEnded,
    TextDelta,
)
from palmette.grammar.tool_calls.call_format import format_of

_COMPILER = GrammarCompiler(BYTE_VOCABULARY)
_MARKS = (b"<tool_call>", b"[TOOL_CALLS]", b'{"name": "', b"[f(", b"<think>", b"</think>", b"; ", b"\n")
"""What a walk through free text writes at times, up to where it is forbidden."""
_CLOSING = tuple(b'"}])')


def compiled(constraint: Constraint) -> CompiledGrammar:
    """For single bytes."""
    return _COMPILER.compile(constraint)


def allows(constraint: Constraint, text: str) -> bool:
    """Whether the whole text may be generated."""
    return accepts_compiled(compiled(constraint), text)


def random_turn(
    grammar: CompiledGrammar, rng: random.Random, num_free: int = 150, num_bytes: int = 1_500
) -> str | None:
    """A text of random allowed bytes, which heads for its end after `num_free`; None where that is farther still."""
    matcher = grammar.new_matcher()
    row = torch.zeros(BYTE_VOCABULARY.mask_words, dtype=torch.int32)  # [mask_words]
    text = bytearray()
    planned = b""
    while len(text) < num_bytes:
        matcher.fill_bitmask(row)
        allowed = allowed_token_ids(row)
        assert allowed, f"no byte may follow {bytes(text)!r}"
        may_go_on = [byte for byte in allowed if byte != STOP_TOKEN_ID]
        if STOP_TOKEN_ID in allowed and (not may_go_on or len(text) >= num_free or rng.random() < 0.02):
            return text.decode()
        if not planned and len(text) < num_free and rng.random() < 0.1:
            planned = rng.choice(_MARKS)
        closing = [byte for byte in _CLOSING if byte in allowed]
        byte = rng.choice(closing if closing and len(text) >= num_free else may_go_on)
        if planned:
            byte = planned[0] if planned[0] in allowed else byte
            planned = planned[1:] if byte == planned[0] else b""
        assert matcher.accept(byte)
        text.append(byte)
    return None


def joined(events: Sequence[CallEvent]) -> list[CallEvent]:
    """The same events with neighbouring deltas of one kind made one."""
    whole: list[CallEvent] = []
    for event in events:
        match whole[-1] if whole else None, event:
            case TextDelta(before), TextDelta(text):
                whole[-1] = TextDelta(before + text)
            case ReasoningDelta(before), ReasoningDelta(text):
                whole[-1] = ReasoningDelta(before + text)
            case ArgumentsDelta(index, before), ArgumentsDelta(_, text):
                whole[-1] = ArgumentsDelta(index, before + text)
            case _:
                whole.append(event)
    return whole


def rewritten(constraint: ToolCalls, events: Sequence[CallEvent]) -> str:
    """The turn that the events were read from; of calls, their arguments as they were written."""
    call_format = format_of(constraint.format)
    parts: list[str] = []
    thoughts = ""
    is_section_open = False
    for event in events:
        match event:
            case TextDelta(text):
                parts += [call_format.closing, text] if is_section_open else [text]
                is_section_open = False
            case ReasoningDelta(text):
                thoughts = text
            case ReasoningEnded():
                assert constraint.reasoning is not None, "reasoning where none is known"
                parts += [constraint.reasoning.begin, thoughts, constraint.reasoning.end]
            case CallStarted(_, name):
                is_next = is_section_open and call_format.comma is not None
                parts.append(call_format.comma or "" if is_next else call_format.opening)
                parts.append(call_format.head(name))
            case ArgumentsDelta(_, text):
                parts.append(text)
            case CallEnded():
                parts.append(call_format.after_arguments)
                is_section_open = call_format.comma is not None
                parts += [] if is_section_open else [call_format.closing]
    return "".join([*parts, call_format.closing] if is_section_open else parts)
