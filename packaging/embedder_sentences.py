"""Sentences of many kinds to calibrate and to check the quantised embedder."""

from __future__ import annotations

__all__ = ["sentences"]

SUBJECTS = (
    "The lighthouse keeper", "A retired engineer", "The city council", "Our neighbour's dog", "The new contract",
    "Every invoice of last year", "The patient's blood pressure", "A quantum computer", "The recipe for rye bread",
    "The insurance policy", "Der Zug nach Hamburg", "La biblioteca municipal", "An error in the configuration file",
    "The goalkeeper", "The glacier above the village", "A mortgage with a fixed rate", "The orchestra",
    "The vaccine trial", "Some of the older bridges", "The committee's report of 12 March 2021",
)  # fmt: skip
PREDICATES = (
    "was late again.", "costs 1,250 euros per month, tax included.", "must be signed by both parties within 30 days.",
    "has nothing to do with the weather!", "can't be repaired without the original parts.", "turned out to be wrong?",
    "was described in great detail in the second chapter, which deals with trade, law and the price of salt.",
    "should be kept in a cool, dry place.", "is older than most people think.",
    "won the prize in 1987 and once more in 2004.",
    "needs two eggs, 300 g of flour, a pinch of salt and about an hour of patience.", "ist seit gestern nicht mehr da.",
    "depends on the temperature of the water and on how long it was stirred.", "fell by 4.5 % in the third quarter.",
    "ends with a question that nobody has answered so far.", "supports version 3.10 and later (see README.md).",
    "est plus rapide que prévu.", "may not be copied, sold or lent to others without written permission.",
    "looks small from here.", "arrived yesterday; nobody had expected it before Sunday evening.",
)  # fmt: skip


def sentences(part: int) -> list[str]:
    """Return 200 sentences: part 0 to calibrate, part 1 to check; no sentence is in both."""
    return [
        f"{subject} {predicate}"
        for row, subject in enumerate(SUBJECTS)
        for column, predicate in enumerate(PREDICATES)
        if (row + column) % 2 == part
    ]
