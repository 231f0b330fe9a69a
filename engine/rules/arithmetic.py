"""Answers sums, and leaves alone what only looks like one: dates, scores, ranges, phone numbers, brands."""

from __future__ import annotations

from fractions import Fraction

from engine.rules.base import Request
from engine.rules.expression import Problem, Token, Unsure, evaluate, format_value, render, tokenise

__all__ = ["calculate"]

_COMMANDS = ("calculate", "compute", "evaluate", "solve", "work out", "how much is", "how much are", "how many is")
_IDIOMS = {
    "/": {(9, 11), (7, 11), (24, 7), (50, 50), (20, 20), (80, 20), (60, 40), (70, 30), (4, 20), (7, 7), (365, 24)},
    "-": {(10, 4), (9, 11), (7, 11), (9, 5), (50, 50), (80, 20), (20, 20)},
    "*": {(4, 4), (2, 4), (4, 2), (6, 4), (4, 6), (5, 7), (8, 10), (3, 3), (2, 2), (8, 8), (6, 6), (3, 5), (4, 8)},
}


def calculate(request: Request) -> str | None:
    """Return the expression with its result, or the reason why it has none."""
    groups = request.match.groupdict()
    asked = " ".join((groups.get("ask") or "").casefold().split())
    commanded = asked.startswith(_COMMANDS) or bool(groups.get("equals"))
    try:
        tokens = tokenise(groups["expression"])
        if not _is_sum(tokens) or not (commanded or _is_meant(tokens, bool(asked))):
            return None
        return f"{render(tokens)} {_result(tokens)}"
    except Unsure:
        return None


def _result(tokens: tuple[Token, ...]) -> str:
    try:
        return format_value(evaluate(tokens))
    except Problem as problem:
        return f"can't be computed. {problem}"


def _is_sum(tokens: tuple[Token, ...]) -> bool:
    """Tell whether there is anything to compute: a lone, signed or percent number is none."""
    operators = {"*", "/", "^", "mod", "of", "squared", "cubed", "sqrt", "root"}
    numbers = sum(token.kind == "number" for token in tokens)
    return numbers > 1 or any(token.kind in operators for token in tokens)


def _is_meant(tokens: tuple[Token, ...], asked: bool) -> bool:
    """Tell a sum from a date, a score, a range, a size or a number plate; `asked` after "what is"."""
    joints = [token for token in tokens if token.kind != "number"]
    kinds = {token.kind for token in joints}
    if kinds not in ({"-"}, {"/"}, {"*"}) or any(joint.text not in "-/x–X" for joint in joints):
        return True
    numbers = [Fraction(token.text) for token in tokens if token.kind == "number"]
    if len(numbers) != len(joints) + 1:
        return True
    kind = joints[0].kind
    close = not any(side for joint in joints for side in joint.spaced)
    if len(numbers) > 2:
        return not close
    pair = (numbers[0], numbers[1])
    if kind == "-":
        return _is_difference(pair, close, asked)
    if not close:
        return True
    known = pair in {(Fraction(left), Fraction(right)) for left, right in _IDIOMS[kind]}
    if kind == "*":
        return not known and max(pair) < 100
    even = pair[1] > 1 and pair[0] != pair[1] and (pair[0] / pair[1]).denominator == 1
    return not known and (asked or pair[0] > 31) and even


def _is_difference(pair: tuple[Fraction, Fraction], close: bool, asked: bool) -> bool:
    """Tell a difference from a range such as 1914-1918 or 5 - 10."""
    years = all(1000 <= number <= 2100 for number in pair)
    falling = pair[0] > pair[1]
    if close and pair in {(Fraction(left), Fraction(right)) for left, right in _IDIOMS["-"]}:
        return False
    if close:
        return asked and falling and not years
    return falling or (asked and not years)
