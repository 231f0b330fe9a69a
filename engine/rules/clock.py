"""Answers questions about the date and the time."""

from __future__ import annotations

from datetime import date, timedelta

from engine.rules.base import Request, counted
from engine.rules.dates import MONTHS, WEEKDAYS, read_date, read_day, written

__all__ = ["current_calendar", "current_date", "current_time", "days_between", "days_until", "weekday"]

_NEAR = {"the day before yesterday": -2, "yesterday": -1, "today": 0, "tomorrow": 1, "the day after tomorrow": 2}


def current_time(request: Request) -> str | None:
    """Tell the time, to the minute."""
    return f"It is {request.context.now():%H:%M}."


def current_date(request: Request) -> str | None:
    """Tell the date of today or of a day near it."""
    named = (request.match.groupdict().get("near") or "today").casefold().removesuffix("'s")
    distance = _NEAR.get(named)
    if distance is None:
        return None
    day = _today(request) + timedelta(days=distance)
    verb = "was" if distance < 0 else "is"
    return f"{named.capitalize()} {verb} {written(day)}."


def current_calendar(request: Request) -> str | None:
    """Tell the current year, month or week."""
    today = _today(request)
    asked = request.match["unit"].casefold()
    if asked == "year":
        return f"It is {today.year}."
    if asked == "month":
        return f"It is {MONTHS[today.month - 1]} {today.year}."
    week = today.isocalendar()
    return f"It is week {week[1]} of {week[0]} (ISO 8601, weeks begin on Monday)."


def weekday(request: Request) -> str | None:
    """Tell on which weekday a date falls."""
    day = read_date(request.match["date"])
    if day is None:
        return None
    today = _today(request)
    verb = "was" if day < today else "is" if day == today else "will be"
    return f"{day.day} {MONTHS[day.month - 1]} {day.year} {verb} a {WEEKDAYS[day.weekday()]}."


def days_until(request: Request) -> str | None:
    """Count the days from today to a date, or back to it."""
    today = _today(request)
    named = request.match["date"]
    backwards = bool(request.match.groupdict().get("since"))
    day = read_date(named) if backwards else read_day(named, today)
    if day is None:
        return None
    distance = (day - today).days
    if distance == 0:
        return f"That is today, {written(day)}."
    if distance < 0:
        return f"{written(day)} was {counted(-distance, 'day')} ago."
    return f"{written(day)} is in {counted(distance, 'day')}."


def days_between(request: Request) -> str | None:
    """Count the days between two dates."""
    today = _today(request)
    days: list[date] = []
    for name in ("first", "second"):
        named = request.match[name]
        day = today if named.casefold() == "today" else read_date(named)
        if day is None:
            return None
        days.append(day)
    first, second = days
    return f"From {written(first)} to {written(second)}: {counted(abs((second - first).days), 'day')}."


def _today(request: Request) -> date:
    return request.context.now().date()
