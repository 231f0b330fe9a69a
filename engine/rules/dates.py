"""Reads a calendar date that can be meant in one way only."""

from __future__ import annotations

import re
from datetime import date, timedelta

__all__ = ["MONTHS", "WEEKDAYS", "read_date", "read_day", "written"]

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
GREGORIAN = date(1582, 10, 15)
"""Before this day calendars differ, so nothing is said about it."""

_MONTH_OF = {name.casefold(): at for at, name in enumerate(MONTHS, 1)}
_MONTH_OF |= {name.casefold()[:3]: at for at, name in enumerate(MONTHS, 1)} | {"sept": 9}
_MONTH = "|".join(sorted(_MONTH_OF, key=len, reverse=True))
_LEAD = rf"(?:(?:{'|'.join(WEEKDAYS)}),? )?"
_FULL = tuple(
    re.compile(_LEAD + form, re.IGNORECASE)
    for form in (
        r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})",
        r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})",
        r"(?P<first>\d{1,2})[-/](?P<second>\d{1,2})[-/](?P<year>\d{4})",
        rf"(?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)?[ -](?P<name>{_MONTH})\.?,?[ -](?P<year>\d{{4}})",
        rf"(?P<name>{_MONTH})\.? (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year>\d{{4}})",
    )
)
_YEARLESS = tuple(
    re.compile(_LEAD + form, re.IGNORECASE)
    for form in (
        rf"(?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<name>{_MONTH})\.?",
        rf"(?P<name>{_MONTH})\.? (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?",
    )
)
_FEASTS = {
    "christmas": (12, 25),
    "christmas day": (12, 25),
    "xmas": (12, 25),
    "christmas eve": (12, 24),
    "boxing day": (12, 26),
    "new year": (1, 1),
    "new years": (1, 1),
    "new year's": (1, 1),
    "new year's day": (1, 1),
    "new years day": (1, 1),
    "the new year": (1, 1),
    "new year's eve": (12, 31),
    "new years eve": (12, 31),
    "halloween": (10, 31),
    "valentine's day": (2, 14),
    "valentines day": (2, 14),
}


def read_date(text: str) -> date | None:
    """Read a date with its year; None if there is no such day or two ways to read it."""
    text = text.strip()
    for form in _FULL:
        found = form.fullmatch(text)
        if found is not None:
            return _valid(found.groupdict())
    return None


def read_day(text: str, today: date) -> date | None:
    """Read a date, or a day that returns each year: then the next one, counted from today."""
    text = text.strip()
    near = {"today": 0, "tomorrow": 1, "yesterday": -1}.get(text.casefold())
    if near is not None:
        return today + timedelta(days=near)
    full = read_date(text)
    if full is not None:
        return full
    month, day = _FEASTS.get(text.casefold(), (0, 0))
    for form in _YEARLESS:
        found = form.fullmatch(text)
        if found is not None:
            month, day = _MONTH_OF[found["name"].casefold()], int(found["day"])
    # Every eighth year at the latest has a 29 February.
    for year in range(today.year, today.year + 9):
        found_day = _day(year, month, day)
        if found_day is not None and found_day >= today:
            return found_day
    return None


def written(day: date) -> str:
    """Write a date with its weekday: "Thursday, 29 February 2024"."""
    return f"{WEEKDAYS[day.weekday()]}, {day.day} {MONTHS[day.month - 1]} {day.year}"


def _valid(parts: dict[str, str | None]) -> date | None:
    """Build the date from what a form found."""
    year = int(parts["year"] or 0)
    if parts.get("first") and parts.get("second"):
        first, second = int(parts["first"] or 0), int(parts["second"] or 0)
        if first <= 12 and second <= 12 and first != second:
            return None  # 3/4/2024 is in March or in April
        day, month = (first, second) if first > 12 else (second, first)
    else:
        name = parts.get("name")
        month = _MONTH_OF[name.casefold()] if name else int(parts["month"] or 0)
        day = int(parts["day"] or 0)
    found = _day(year, month, day)
    return found if found is not None and found >= GREGORIAN else None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
