"""Exact arithmetic: tokens, a recursive-descent parser that evaluates as it reads, and the rendering of a number.

Grammar, loosest first (`^` binds to the right, and tighter than a sign: -2^2 = -4):

    sum     = product { ("+" | "-") product }
    product = sign { ("*" | "/" | "mod" | "%" | "of") sign }
    sign    = { "+" | "-" } power
    power   = postfix [ "^" sign ]
    postfix = atom { "squared" | "cubed" | "%" }
    atom    = number | "(" sum ")" | "sqrt" sign
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from math import isqrt

__all__ = ["Problem", "Token", "Unsure", "Value", "evaluate", "format_value", "render", "tokenise"]

MAX_TOKENS = 64
MAX_DIGITS = 40
"""Digits of one number that is typed in."""
MAX_BITS = 3000
"""Bits of the numerator and of the denominator of any result: about 900 digits."""
SIGNIFICANT = 12
"""Digits of a result that has no exact decimal form."""
EXACT_DIGITS = 30
"""Longest decimal form of a fraction that is written out in full."""
_WORKING = Context(prec=60, Emax=10**6, Emin=-(10**6), rounding=ROUND_HALF_EVEN)


class Unsure(Exception):
    """The text is not arithmetic, or can be read in two ways."""


class Problem(Exception):
    """The text is arithmetic, and has no result; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Token:
    """A number, an operator or a parenthesis."""

    kind: str
    """ "number", or the operator itself."""
    text: str
    """As it was typed."""
    spaced: tuple[bool, bool]
    """Whether a space stands before and after it."""


@dataclass(frozen=True, slots=True)
class Value:
    """A number on its way through an expression."""

    number: Fraction
    exact: bool = True
    percent: bool = False
    """Whether it is a percentage that nothing was done with yet."""


_OPERATORS = {
    "plus": "+", "minus": "-", "times": "*", "multiplied by": "*", "divided by": "/", "over": "/",
    "to the power of": "^", "raised to the power of": "^", "squared": "squared", "cubed": "cubed",
    "mod": "mod", "modulo": "mod", "of": "of", "percent": "%", "per cent": "%",
    "square root of": "root", "the square root of": "root", "sqrt": "sqrt", "sqrt of": "root", "√": "sqrt",
    "×": "*", "⋅": "*", "·": "*", "∙": "*", "x": "*", "*": "*", "**": "^", "÷": "/", "/": "/", "∕": "/", "⁄": "/",
    "−": "-", "–": "-", "-": "-", "+": "+", "^": "^", "%": "%", "(": "(", ")": ")", "²": "squared", "³": "cubed",
}  # fmt: skip
_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORDS = {word: value for value, word in enumerate(_UNITS)} | {word: 20 + 10 * at for at, word in enumerate(_TENS)}
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])|(?<![\d,])\d+(?:\.\d+)?(?![\d,])|(?<![\d.,])\.\d+(?![\d,])"
_SPELLED = "|".join(sorted((word for word in _OPERATORS if word[0].isalpha()), key=len, reverse=True))
_TOKEN = re.compile(
    rf"\s*(?:(?P<number>(?:{_NUMBER})(?!\.\d))"
    rf"|(?P<tens>{'|'.join(_TENS)})(?:[- ](?P<ones>{'|'.join(_UNITS[1:10])}))?(?![a-z])"
    rf"|(?P<units>{'|'.join(sorted(_UNITS, key=len, reverse=True))})(?![a-z])"
    rf"|(?P<word>{_SPELLED})(?![a-z])"
    r"|(?P<sign>\*\*|[-+*/^%()×⋅·∙÷∕⁄−–²³√]))",
    re.IGNORECASE,
)


def tokenise(text: str) -> tuple[Token, ...]:
    """Split an expression into tokens; raise Unsure at anything that is not arithmetic."""
    tokens: list[Token] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or len(tokens) == MAX_TOKENS:
            raise Unsure
        typed = found[0].strip()
        spaced = (at > 0 and (found[0][0].isspace() or text[at - 1].isspace()), text[found.end() :][:1].isspace())
        if found["number"]:
            tokens.append(Token("number", _checked(typed.replace(",", "")), spaced))
        elif found["tens"] or found["units"]:
            value = sum(_WORDS[word.lower()] for word in (found["tens"], found["ones"], found["units"]) if word)
            tokens.append(Token("number", str(value), spaced))
        else:
            tokens.append(Token(_OPERATORS[typed.lower()], typed, spaced))
        at = found.end()
    return tuple(tokens)


def _checked(number: str) -> str:
    """Refuse what is rather an identifier: leading zeros, or more digits than anyone computes with."""
    if len(number) > MAX_DIGITS or re.match(r"0\d", number):
        raise Unsure
    return number


_VALUES = ("number", "(", "sqrt", "root")
"""What a value begins with."""


def evaluate(tokens: tuple[Token, ...]) -> Value:
    """Compute an expression exactly; raise Unsure if it is none, Problem if it has no result."""
    return _Parser(tokens).result()


class _Parser:
    """Reads the tokens from left to right; one method for each line of the grammar."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = tokens
        self._at = 0

    def result(self) -> Value:
        """Evaluate all tokens."""
        value = self._sum()
        if self._at < len(self._tokens):
            raise Unsure
        return value

    def _kind(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].kind if at < len(self._tokens) else ""

    def _take(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _is_remainder(self) -> bool:
        """Tell the % of "10 % 3" from that of "10%"."""
        return self._kind(1) in _VALUES

    def _sum(self) -> Value:
        left = self._product()
        while self._kind() in ("+", "-"):
            sign = 1 if self._take().kind == "+" else -1
            right = self._product()
            if left.percent or right.percent:
                raise Unsure  # 80 + 15% is 92 on a pocket calculator and 80.15 in a textbook
            left = _bounded(left.number + sign * right.number, left.exact and right.exact)
        return left

    def _product(self) -> Value:
        left = self._sign()
        while self._kind() in ("*", "/", "mod", "of") or (self._kind() == "%" and self._is_remainder()):
            operator = self._take().kind
            right = self._sign()
            if operator == "of" and not left.percent:
                raise Unsure
            exact = left.exact and right.exact
            if operator in ("mod", "%"):
                left = Value(_remainder(left, right))
            elif operator == "/":
                left = _bounded(left.number / _divisor(right), exact)
            else:
                left = _bounded(left.number * right.number, exact)
        return left

    def _sign(self) -> Value:
        sign = 1
        while self._kind() in ("+", "-"):
            sign = -sign if self._take().kind == "-" else sign
        value = self._power()
        return Value(sign * value.number, value.exact, value.percent)

    def _power(self) -> Value:
        base = self._postfix()
        if self._kind() != "^":
            return base
        self._take()
        return _raised(base, self._sign())

    def _postfix(self) -> Value:
        value = self._atom()
        while self._kind() in ("squared", "cubed", "%"):
            token = self._tokens[self._at]
            if token.kind != "%":
                value = _raised(value, Value(Fraction(2 if self._take().kind == "squared" else 3)))
                continue
            if self._is_remainder():
                if not token.spaced[0] and token.spaced[1]:
                    raise Unsure  # "15% 80" is neither a percentage nor a remainder
                break
            self._at += 1
            value = Value(value.number / 100, value.exact, percent=True)
        return value

    def _atom(self) -> Value:
        kind = self._kind()
        if kind == "number":
            return Value(Fraction(self._take().text))
        if kind == "(":
            self._take()
            value = self._sum()
            if self._kind() != ")":
                raise Unsure
            self._take()
            return Value(value.number, value.exact)
        if kind in ("sqrt", "root"):
            self._take()
            enclosed = self._kind() == "("
            value = self._atom() if enclosed else self._sign()
            if kind == "root" and not enclosed and self._at < len(self._tokens) and self._kind() != ")":
                raise Unsure  # "the square root of 16 plus 9" can mean 5 or 13
            return _root(value)
        raise Unsure


# ---------------------------------------------------------------- single steps


def _bounded(number: Fraction, exact: bool) -> Value:
    """Refuse numbers that would take long to compute or to read."""
    if max(number.numerator.bit_length(), number.denominator.bit_length()) > MAX_BITS:
        raise Problem("That number is too long to write out.")
    return Value(number, exact)


def _divisor(value: Value) -> Fraction:
    if value.number == 0:
        raise Problem("Division by zero has no result.")
    return value.number


def _remainder(left: Value, right: Value) -> Fraction:
    """Return the remainder where every convention agrees: of two numbers that are not negative."""
    if left.number < 0 or right.number < 0 or left.percent or right.percent or not (left.exact and right.exact):
        raise Unsure
    return left.number % _divisor(right)


def _raised(base: Value, exponent: Value) -> Value:
    """Return base ** exponent, exact where the exponent is a whole number or a half of an even square."""
    power = exponent.number
    if base.percent or exponent.percent:
        raise Unsure
    if base.number == 0 and power <= 0:
        raise Problem("Division by zero has no result." if power else "Zero to the power of zero has no agreed value.")
    if power.denominator == 1:
        bits = max(base.number.numerator.bit_length(), base.number.denominator.bit_length())
        if (bits - 1 if base.number.denominator == 1 else bits) * abs(power) > MAX_BITS and abs(base.number) != 1:
            raise Problem("That number is too long to write out.")
        return _bounded(base.number ** int(power % 2 if abs(base.number) == 1 else power), base.exact)
    if base.number < 0:
        raise Problem("A negative number has no real root of that kind.")
    if power == Fraction(1, 2):
        return _root(base)
    result = _WORKING.power(_decimal(base.number), _decimal(power)) if abs(power) < 10**4 else Decimal("Infinity")
    if not result.is_finite() or abs(result.adjusted()) > MAX_BITS // 4:
        raise Problem("That number is too long to write out.")
    return _bounded(Fraction(result), exact=False)


def _root(value: Value) -> Value:
    """Return the square root, exact if it is a fraction."""
    if value.percent:
        raise Unsure
    if value.number < 0:
        raise Problem("The square root of a negative number is not a real number.")
    above, below = isqrt(value.number.numerator), isqrt(value.number.denominator)
    if (above * above, below * below) == (value.number.numerator, value.number.denominator):
        return Value(Fraction(above, below), value.exact)
    return Value(Fraction(_WORKING.sqrt(_decimal(value.number))), exact=False)


def _decimal(number: Fraction) -> Decimal:
    return _WORKING.divide(Decimal(number.numerator), Decimal(number.denominator))


# ---------------------------------------------------------------- writing


def format_value(value: Value) -> str:
    """Write a result with its sign of equality: "= 12" where it is exact, "≈ 0.333333333333" where not."""
    number = value.number
    if value.exact and number.denominator == 1:
        return f"= {number.numerator}"
    digits = _terminating(number) if value.exact else None
    if digits is not None:
        return f"= {digits}"
    rounded = Context(prec=SIGNIFICANT, rounding=ROUND_HALF_EVEN).plus(_decimal(number))
    if rounded == 0 or -7 <= rounded.adjusted() < SIGNIFICANT:
        text = f"{rounded:f}"
        return f"≈ {text.rstrip('0').rstrip('.') if '.' in text else text}"
    mantissa = f"{rounded.scaleb(-rounded.adjusted()):f}"
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"≈ {mantissa} × 10^{rounded.adjusted()}"


def _terminating(number: Fraction) -> str | None:
    """Write a fraction as an exact decimal of bearable length, or give None."""
    rest, places = number.denominator, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest //= prime
            count += 1
        places = max(places, count)
    scaled = abs(number.numerator) * 10**places // number.denominator if rest == 1 else 0
    if rest != 1 or max(len(str(scaled)), places) > EXACT_DIGITS:
        return None
    digits = str(scaled).rjust(places + 1, "0")
    return f"{'-' if number < 0 else ''}{digits[:-places]}.{digits[-places:]}"


_SIGNS = {"*": "×", "/": "÷", "squared": "²", "cubed": "³", "root": "√", "sqrt": "√"}
_TIGHT_BEFORE = {")", "%", "squared", "cubed", "^"}
_TIGHT_AFTER = {"(", "sqrt", "root", "^"}


def render(tokens: tuple[Token, ...]) -> str:
    """Write an expression as it was understood, free of characters that are markup."""
    written = ""
    operand = False  # whether a value stands to the left, so that a minus subtracts
    tight = True
    for index, token in enumerate(tokens):
        remainder = token.kind == "%" and tokens[index + 1 : index + 2] and _begins_value(tokens[index + 1])
        text = "mod" if remainder else token.text if token.kind == "number" else _SIGNS.get(token.kind, token.kind)
        unary = token.kind in ("+", "-") and not operand
        close = tight or (token.kind in _TIGHT_BEFORE and not remainder)
        written += text if close else f" {text}"
        tight = token.kind in _TIGHT_AFTER or unary
        operand = token.kind in ("number", ")", "squared", "cubed") or (token.kind == "%" and not remainder)
    return written


def _begins_value(token: Token) -> bool:
    return token.kind in _VALUES
