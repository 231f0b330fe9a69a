"""The words that sentences are read with: what ends none, what means little, what counts and what measures."""

from __future__ import annotations

from types import MappingProxyType

__all__ = [
    "BEFORE_NUMBER",
    "CALENDAR",
    "GERMAN_MONTHS",
    "MONTHS",
    "NEVER_LAST",
    "NUMBERS",
    "RARELY_LAST",
    "SCALES",
    "STARTERS",
    "STOP",
    "TENS",
    "UNITS",
]


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


NEVER_LAST = frozenset(
    _listed(
        "mr mrs ms dr prof sen rep gov gen col capt lt sgt rev hon mme mlle hr fr vs cf viz e.g i.e z.b d.h u.a o.ä "
        "bzw ca approx resp incl excl bspw vgl evtl ggf p.ej c.-à-d"
    )
)
"""Abbreviations, without their last point, that stand before something."""

BEFORE_NUMBER = frozenset(
    _listed(
        "no nr nos fig figs eq eqs vol p pp s art arts sec sect ch chap abs para par tab ref ver v ed bd num núm "
        "jan feb mar apr jun jul aug sep sept oct nov dec"
    )
)
"""Abbreviations that end no sentence if a number follows."""

RARELY_LAST = frozenset(_listed("inc ltd co corp bros st jr sr etc al dept est ave blvd rd ph.d m.sc b.sc mt ft"))
"""Abbreviations that end a sentence only if the next word is one that sentences begin with."""

STARTERS = frozenset(
    _listed(
        "the a an this that these those it he she they we you i in on at by for from if when while but and however "
        "there after before as its his her their our your all each no not who what to with some many most both since "
        "such der die das ein eine er sie es wir ich im am bei nach wenn le la les un une il elle el los las en"
    )
)
"""Words that sentences often begin with."""

MONTHS = _listed("january february march april may june july august september october november december")

GERMAN_MONTHS = frozenset(
    _listed("januar jänner februar märz april mai juni juli august september oktober november dezember")
)
"""German writes "3. Mai"."""

STOP = frozenset(
    _listed(
        "a about above after again against all also although always am an and another any are as at be because been "
        "before being below between both but by can could did do does doing done down during each either else even "
        "ever every few for from further get gets got had has have having he hence her here hers herself him himself "
        "his how however i if in into is it its itself just let like made make makes many may me might more most much "
        "must my myself nor now of off often on once one only onto or other others our ours out over own per please "
        "rather same shall she should since so some still such than that the their theirs them themselves then there "
        "therefore these they this those through thus to too toward towards under until up upon us very via was we "
        "were what when where whether which while who whom whose why will with within would yes yet you your yours "
        "not no never cannot according answer based context document documents following mention mentioned mentions "
        "passage passages provided say says source sources stated states text "
        "der die das den dem des ein eine einen einem einer eines und oder aber ist sind war waren wird werden wurde "
        "im in am an auf aus bei mit nach von vom zu zum zur für über unter durch um als wie auch nicht kein keine es "
        "er sie wir ich ihr man sich hat haben kann können laut "
        "le la les un une des du de et ou est sont était dans sur pour par avec ce cette il elle ne pas que qui "
        "el los las una del y o es son en con por para se su que no lo al"
    )
)
"""Words that serve grammar, or that an answer uses to speak about its sources."""

NUMBERS = MappingProxyType(
    {
        word: value
        for value, word in enumerate(
            _listed(
                "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
                "seventeen eighteen nineteen"
            ),
            2,
        )
    }
)
"""Numbers in words; "one" is mostly a pronoun."""

TENS = MappingProxyType(
    {word: 20 + 10 * at for at, word in enumerate(_listed("twenty thirty forty fifty sixty seventy eighty ninety"))}
)

# fmt: off
SCALES = MappingProxyType({
    "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "mio": 6, "mrd": 9, "bn": 9,
    "tausend": 3, "millionen": 6, "milliarden": 9,
})
"""Powers of ten that follow a number."""

UNITS = MappingProxyType({
    "%": "percent", "pct": "percent", "prozent": "percent", "€": "euro", "eur": "euro", "$": "dollar", "usd": "dollar",
    "£": "pound", "gbp": "pound", "¥": "yen", "h": "hour", "hr": "hour", "min": "minute", "minut": "minute",
    "sec": "second", "s": "second", "feet": "foot", "ft": "foot", "lb": "pound", "°": "degree", "degre": "degree",
    "mil": "mile", "pag": "page", "kilo": "kg", "kilogram": "kg", "gram": "g", "kilometr": "km", "kilometer": "km",
    "metr": "m", "meter": "m", "gigabyt": "gb", "megabyt": "mb",
    "monat": "month", "monaten": "month", "jahr": "year", "jahren": "year", "tag": "day", "tagen": "day",
    "stund": "hour", "stunden": "hour", "woch": "week", "wochen": "week", "minuten": "minute", "sekunden": "second",
    "sekund": "second",
} | {
    unit: unit
    for unit in _listed(
        "percent euro dollar pound yen second hour day week month year foot inch mm cm m km g mg kg "
        "gb mb kb tb w kw kwh v watt volt hz mhz ghz"
    )
})
"""The unit that a stemmed word or a sign stands for."""
# fmt: on

CALENDAR = frozenset("年月日時")
"""Units that number a year, a day or an hour, and measure nothing."""
