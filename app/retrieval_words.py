"""What was decided about an answer's passages, in words: one quiet line, and sentences that explain it."""

from __future__ import annotations

from app.findings import one_line
from engine.messages import Decision, RetrievalPlan

__all__ = ["plan_line", "plan_tip"]

_REASON_CHARS = 160

_DEPTH: dict[Decision, str] = {
    "light": "light",
    "deep": "deep",
    "count": "every mention counted",
    "list": "every mention listed",
    "summary": "one document from beginning to end",
}

_NOTHING_READ: dict[Decision, str] = {
    "count": "Mentions counted in {considered}",
    "list": "Mentions listed from {considered}",
}

_MEANING: dict[Decision, str] = {
    "none": "The question can be answered without your documents.",
    "light": "Light means that the few passages that suffice were chosen.",
    "deep": "Deep means that more passages than usual were chosen, "
    "because the question has several parts or no passage stands out.",
    "count": "To count, every mention in your documents was looked up, not only the best passages.",
    "list": "To list, every mention in your documents was looked up, not only the best passages.",
    "summary": "To summarise, one document was taken from beginning to end.",
}

_GLOSSARY = "A passage is a piece of a document, about a paragraph long. A token is a piece of a word."


def plan_line(plan: RetrievalPlan) -> str:
    """Return what an answer took of the documents, such as "3 of 40 passages, 412 tokens, deep: two-part question"."""
    reason = one_line(plan.reason, _REASON_CHARS).rstrip(".")
    if plan.decision == "none":
        words = "No documents used"
    elif plan.passages:
        words = f"{_amount(plan)}, {_DEPTH[plan.decision]}"
    else:
        pattern = _NOTHING_READ.get(plan.decision, "None of {considered} read")
        words = pattern.format(considered=_counted(plan.considered, "passage"))
    return f"{words}: {reason}" if reason else words


def plan_tip(plan: RetrievalPlan) -> str:
    """Return the same in full sentences, as plain text."""
    reason = one_line(plan.reason, _REASON_CHARS).rstrip(".")
    because = f"Why: {reason}." if reason else ""
    if plan.decision == "none":
        lines = ["Hola used none of your documents for this answer.", because or _MEANING["none"]]
    else:
        searched = f"Hola went through {_counted(plan.considered, 'passage')} of your documents"
        read = (
            f"{plan.passages:,} of them, {_counted(plan.tokens, 'token')} in all," if plan.passages else "none of them"
        )
        verb = "were" if plan.passages > 1 else "was"
        lines = [f"{searched}; {read} {verb} given to the model to read."]
        lines += [_MEANING[plan.decision]] if plan.passages or plan.decision in _NOTHING_READ else []
        lines += [because, _GLOSSARY]
    return "\n".join(filter(None, lines))


def _amount(plan: RetrievalPlan) -> str:
    of_all = f" of {plan.considered:,}" if plan.considered else ""
    noun = "passage" if (plan.considered or plan.passages) == 1 else "passages"
    return f"{plan.passages:,}{of_all} {noun}, {_counted(plan.tokens, 'token')}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
