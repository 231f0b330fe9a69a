"""Decides, without a model, whether and how the documents are searched for what a user typed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from engine.retrieval.filters import DocumentInfo, Filters, Mention, Names, Scope, read_scope, read_typed
from engine.retrieval.parts import content_words, counted_term, split_parts, whole_of
from engine.retrieval.phrases import (
    ABOUT_APP,
    ABOUT_CHAT,
    ASSISTANT,
    BY_ITSELF,
    GIVEN_COLON,
    GIVEN_QUOTE,
    GIVEN_TEXT,
    REFERS_TO_CHAT,
    REWORK,
    REWORK_TOO,
    TALK,
    TALK_CLAUSE,
    TALK_TOO,
    TALK_WHOLE,
    WISHED_TEXT,
    WRITE,
    YOU,
)
from engine.retrieval.question_phrases import PAPERS, POINTS_AT_PAPERS, WHOLE_WISH
from engine.retrieval.standalone import leans, stand_alone, without_courtesy, without_lead

__all__ = ["DocumentInfo", "Filters", "Kind", "Understanding", "understand"]

Kind = Literal["chat", "conversation", "writing", "search", "count", "list", "summary"]
"""What is asked for: small talk; something about this chat; a text, code or sum that needs no documents; what passages
may answer; the number of a term's mentions in the library; those mentions; one document, or a few, as a whole."""


@dataclass(frozen=True, slots=True)
class Understanding:
    """What a user's words mean for the search."""

    kind: Kind
    queries: tuple[str, ...] = ()
    """What to search for, one for each part of the question, standalone; empty where nothing is searched."""
    in_full: str = ""
    """The question with what it leans on; empty if it stands by itself."""
    is_follow_up: bool = False
    filters: Filters = field(default_factory=Filters)
    term: str = ""
    """The word or phrase whose mentions are counted or listed; else empty."""
    reason: str = "question"
    """Why it was understood so, in a few words for the user."""
    asked: str = ""
    """The question without typed filters; empty if none were typed."""
    problem: str = ""
    """A filter that matches nothing, one sentence; empty if all is well."""


LONGEST_QUESTION, LONGEST_LINE = 700, 300
"""Longer texts, in characters, are pasted: only so much of their first and last line is read as a question."""
LONGEST_QUERY = 1000
"""In characters; the embedder reads less."""
MOST_TALK = 30
"""Small talk of more different words is rare."""
MOST_SUMMARISED, TURNS = 5, 4
"""How many documents are summarised at once, and how many turns back a follow-up may lean."""

_CHARACTERS = str.maketrans("\u2018\u2019\u02bc\u201c\u201d\u201e\u00a0\u3000", "'''\"\"\"  ")
_PICTURES = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u200d]+|(?<!\\S)[:;]-?[()DPp](?!\\S)")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_ENDS = " ?!.,;…。？！、，~¿¡"
_SENTENCE = re.compile(r"(?:[^.!?…。？！;\n]|\.(?=\w))+[.!?…。？！;]*")
_COMMA = re.compile(r"\s*(?:[,、，:]| [-–—]+ )\s*")
_FILE_NAME = re.compile(
    r"(?<![\w/.])[\w-]+\.(?:pdf|docx?|odt|rtf|txt|md|html?|epub|pptx?|xlsx?|csv)(?!\w)", re.IGNORECASE
)
_COUNTS = {2: "two", 3: "three", 4: "four"}

# ---------------------------------------------------------------- small talk, this chat, plain writing


def _plain_kind(text: str, has_history: bool, names: Names) -> tuple[Kind, str] | None:
    """Return the kind, with its reason, of what needs no documents; None if they may answer."""
    bare = " ".join(_PICTURES.sub(" ", text).split()).strip(_ENDS)
    words = {word.casefold() for word in _WORD.findall(bare)}
    if not words or TALK_WHOLE.fullmatch(bare) or TALK_WHOLE.fullmatch(without_courtesy(bare)):
        return "chat", "small talk"
    mentions = names.mentions(text)
    if any(mention.is_file for mention in mentions):
        return None
    has_text = GIVEN_TEXT.match(bare) or GIVEN_QUOTE.match(bare) or GIVEN_COLON.match(bare)
    about_chat = ABOUT_CHAT.search(bare) or (has_history and _refers_to_chat(bare))
    if not has_text and (about_chat or (len(words) <= 20 and _is_rework(words, has_history))):
        return "conversation", "about this chat"
    if len(words) <= MOST_TALK and _is_small_talk(text):
        return "chat", "small talk"
    named = PAPERS.search(bare) or any(" " in text[mention.start : mention.end] for mention in mentions)
    is_wish = WRITE.match(bare) or WISHED_TEXT.match(bare)
    if has_text or (is_wish and not named and not POINTS_AT_PAPERS.search(bare)):
        return "writing", "writing task"
    return None


def _refers_to_chat(text: str) -> bool:
    """Tell whether a text, or all of it but the courtesies, points at the answers of this chat."""
    return REFERS_TO_CHAT.search(text) is not None or REFERS_TO_CHAT.search(without_courtesy(text)) is not None


def _is_small_talk(text: str) -> bool:
    """Tell whether every clause of a text is small talk; one question about something else makes a search of it."""
    sentences = [each.strip() for each in _SENTENCE.findall(_PICTURES.sub(" ", text)) if _WORD.search(each)]
    return bool(sentences) and all(_is_talk_sentence(each) for each in sentences)


def _is_talk_sentence(sentence: str) -> bool:
    """Tell small talk of one sentence: as a whole, or in each of its clauses."""
    is_question, bare = sentence.endswith(("?", "？")), sentence.strip(_ENDS)
    if _is_talk_clause(bare, is_question=is_question):
        return True
    clauses = [clause.strip(_ENDS) for clause in _COMMA.split(bare) if _WORD.search(clause)]
    last = len(clauses) - 1
    return last > 0 and all(
        _is_talk_clause(clause, is_question=is_question and at == last) for at, clause in enumerate(clauses)
    )


def _is_talk_clause(clause: str, *, is_question: bool) -> bool:
    """Tell small talk of one clause, or of what stands behind its courtesies."""
    words = {word.casefold() for word in _WORD.findall(clause)}
    if _is_talk(words, is_question=is_question) or TALK_WHOLE.fullmatch(clause):
        return True
    return ABOUT_APP.fullmatch(clause) is not None or (not is_question and TALK_CLAUSE.fullmatch(clause) is not None)


def _is_talk(words: set[str], *, is_question: bool) -> bool:
    """Tell greetings, thanks and questions to the assistant by their words: none of them is about anything else."""
    if words <= TALK | TALK_TOO and not is_question:
        return not words.isdisjoint(TALK)
    is_to_me = not words.isdisjoint(YOU) and words.isdisjoint(("this", "that", "it"))
    return is_to_me and len(words) > 1 and words <= TALK | TALK_TOO | ASSISTANT | YOU


def _is_rework(words: set[str], has_history: bool) -> bool:
    """Tell "say that again in one sentence": nothing in it but how to put the last answer."""
    is_rework = words <= REWORK | REWORK_TOO and not words.isdisjoint(REWORK)
    return is_rework and (has_history or not words.isdisjoint(BY_ITSELF))


# ---------------------------------------------------------------- summaries

_WHOLE = re.compile(
    r"(?i)(?:(?:[\w' ]{0,30} )?\x00 ?[,:;.?!–-]+ ?(?:and |so )?what(?:'?s| is) (?:it (?:all )?about|in (?:it|there)"
    r"|inside)|what(?:'?s| is"
    r"| are) the contents? of (?:the )?\x00|(?:tell me )?what(?:'?s| is| are| does| do)? (?:there |written "
    r")?(?:in(?:side)? (?:the |my |this "
    r"|our )?\x00|(?:the |my |this |that |our )?\x00 (?:all )?(?:about|say|contain|cover|describe|deal with|talk about"
    r"|discuss)(?: in general| overall)?)|(?:tell me (?:more )?about|describe|explain|open|read|show(?: me)?"
    r"|what(?:'s| is)) (?P<file>\x00)(?: and tell me what(?:'s| is| it's| it is) (?:in it|about)| to me)?|(?:worum "
    r"geht(?:'s| es) i[nm]|wovon handelt|was steht i[nm]|de quoi (?:parle|traite)|que (?:dit|contient)|de qué (?:trata"
    r"|va|habla)|qué (?:dice|contiene)) (?:[\w']{1,6} ?)?\x00|(?P<name>\x00)|\x00(?:は何について|には何が|の内容"
    r"|(?:主要)?(?:讲|说|写|是关于)).*)"
)
_GENERIC = re.compile(
    r"(?i)\b(?:document|file|(?P<kind>pdf|spreadsheet|presentation|email)|text|paper|dokument|datei|fichier|documento"
    r"|archivo)\b(?! (?:named|called|of|about))|文書|資料|ファイル|文件|文档|资料|(?P<it>\b(?:it|this|that|es|ça|cela"
    r"|esto)\b)"
)
_TAIL = re.compile(r"\s*(?:for|in|as|with|within|using|so|to|auf|für|pour)\b(?! (?:regard|respect|terms|relation))")


def _summarised(text: str, names: Names, it: tuple[str, ...]) -> tuple[str, ...]:
    """Return the documents that a text wants as a whole, if it does; `it` are those that "it" stands for."""
    marked = bare = " ".join(text.split()).strip(" ?!.,;:…。？！¿¡")
    mentions = names.mentions(bare) or _generic(bare, names, it)
    if not mentions:
        words = whole_of(bare) if WHOLE_WISH.search(bare) else []
        return names.holding(words) if 0 < len(words) < 6 else it if WHOLE_WISH.fullmatch(bare) else ()
    for mention in reversed(mentions):
        marked = f"{marked[: mention.start]}\x00{marked[mention.end :]}"
    marked = re.sub(r" (?:document|file)(?= ?\x00)|(?<=\x00) (?:document|file|agreement|contract)\b", "", marked)
    whole = _WHOLE.fullmatch(marked)
    before, _, tail = marked.rpartition("\x00")
    has_cue = WHOLE_WISH.search(before + tail) and not whole_of(before) and (not whole_of(tail) or _TAIL.match(tail))
    is_file = all(mention.is_file for mention in mentions)
    if has_cue or (whole and (is_file or not (whole["file"] or whole["name"]))):
        return tuple(dict.fromkeys(path for mention in mentions for path in mention.paths))
    return ()


def _generic(text: str, names: Names, it: tuple[str, ...]) -> tuple[Mention, ...]:
    """Return "the document", "the pdf" or "it" as a mention of the one document that it can be."""
    found = _GENERIC.search(text)
    of_kind = names.of_kinds(names.kinds(found["kind"].casefold()) or ("",)) if found and found["kind"] else ()
    paths = of_kind if len(of_kind) == 1 else it
    return (Mention(found.start(), found.end(), paths),) if found and paths else ()


# ---------------------------------------------------------------- the decision


@dataclass(frozen=True, slots=True)
class _Before:
    """The last question about documents, standing by itself, its answer and what its filter words say."""

    question: str = ""
    answer: str = ""
    filters: Filters = field(default_factory=Filters)


def understand(text: str, history: Sequence[tuple[str, str]], documents: Sequence[DocumentInfo]) -> Understanding:
    """Decide what a text asks for and what is searched; `history`: questions and answers, oldest first."""
    asked = _tidy(text)
    names = Names(documents)
    if len(asked) > LONGEST_QUESTION:
        return _pasted(asked, names)
    typed = read_typed(asked, names)
    rest = without_courtesy(" ".join(typed.text.split()))
    plain = None if typed.is_typed else _plain_kind(asked, bool(history), names)
    is_about_chat = plain is not None and plain[0] == "conversation"
    before = _last_question(history, names) if history and (is_about_chat or leans(rest)) else _Before()
    is_of_it = is_about_chat and WHOLE_WISH.search(rest) and _GENERIC.search(rest) and not ABOUT_CHAT.search(rest)
    if plain is not None and not (is_of_it and _documents_of(before, names)):
        return Understanding(plain[0], reason=plain[1])
    found = _for_documents(rest, typed, before, names)
    missing = _FILE_NAME.search(rest) if WHOLE_WISH.search(rest) and found.kind == "search" else None
    if missing and not found.filters.documents and not found.problem:
        told = f'No document in the library is called "{missing[0]}": add it, or check its name in the documents panel.'
        return replace(found, problem=told)
    return replace(found, asked=" ".join(typed.text.split())) if typed.is_typed else found


def _tidy(text: str) -> str:
    """Unify the ways to write one character; offsets stay."""
    return unicodedata.normalize("NFC", text).translate(_CHARACTERS).strip()


def _last_question(history: Sequence[tuple[str, str]], names: Names) -> _Before:
    """Return the last turn about documents; small talk between is skipped."""
    before = _Before()
    for question, answer in history[-TURNS:]:
        typed = read_typed(_tidy(question[-LONGEST_QUESTION:]), names)
        plain = _plain_kind(typed.text, True, names)
        if plain is None or plain[0] == "writing":
            alone = stand_alone(without_courtesy(typed.text), before.question, before.answer)
            filters = before.filters if alone.is_follow_up and not typed.is_typed else typed.filters
            before = _Before(alone.text, answer, filters)
    return before


def _documents_of(before: _Before, names: Names) -> tuple[str, ...]:
    """Return the documents that the last question was about; without a last question, the only one there is."""
    if not before.question:
        return names.only
    named = before.filters.documents or read_scope(before.question, names).filters.documents
    return named or _summarised(before.question, names, ())


def _for_documents(rest: str, typed: Scope, before: _Before, names: Names) -> Understanding:
    """Decide how the documents are read for a question without courtesies and filter words."""
    alone = stand_alone(rest, before.question, before.answer)
    full, documents = _swapped(rest, before, names) if alone.is_follow_up else ("", ())
    if full:
        swapped = _for_documents(full, replace(typed, filters=Filters(documents)), _Before(), names)
        return replace(swapped, in_full=full, is_follow_up=True)
    in_full = alone.text if alone.is_follow_up else ""
    inherits = alone.is_follow_up and not typed.is_typed
    filters = before.filters if inherits else typed.filters
    found = Understanding("search", (), in_full, alone.is_follow_up, filters, problem=typed.problem)
    whole = _summarised(rest, names, filters.documents or _documents_of(before, names)) if rest else filters.documents
    if 0 < len(whole) <= MOST_SUMMARISED:
        reason = "summary of one document" if len(whole) == 1 else "summary of several documents"
        return replace(found, kind="summary", filters=replace(filters, documents=whole), reason=reason)
    if in_full and _plain_kind(in_full, False, names) is not None:
        return replace(found, kind="writing", reason="writing task")
    scope = read_scope(rest, names)
    filters = filters.joined(scope.filters)
    if inherits and filters == Filters():
        filters = read_scope(before.question, names).filters
    found = replace(found, filters=filters)
    counted = counted_term(scope.text) or counted_term(rest)
    if counted and (content_words(counted[1]) or not in_full):
        found = replace(found, in_full="", is_follow_up=False)
    else:
        counted = counted_term(read_scope(in_full, names).text) if in_full else None
    if counted:
        reason = "counting question" if counted[0] == "count" else "listing question"
        return replace(found, kind=counted[0], term=counted[1], queries=(counted[1],), reason=reason)
    queries = _queries(scope.text, before, names)
    reason = f"{_COUNTS[len(queries)]}-part question" if len(queries) > 1 else "follow-up" if in_full else "question"
    return replace(found, queries=queries, reason=reason)


def _swapped(rest: str, before: _Before, names: Names) -> tuple[str, tuple[str, ...]]:
    """Return the last question of the document in "and lease.pdf?", and that document; empty if there is none."""
    mentions, earlier = names.mentions(rest), names.mentions(before.question)
    if len(mentions) != 1 or len(earlier) > 1 or content_words(rest[: mentions[0].start] + rest[mentions[0].end :]):
        return "", ()
    new = rest[mentions[0].start : mentions[0].end]
    if earlier:
        return before.question[: earlier[0].start] + new + before.question[earlier[0].end :], mentions[0].paths
    return (before.question, mentions[0].paths) if before.filters.documents else ("", ())


def _queries(text: str, before: _Before, names: Names) -> tuple[str, ...]:
    """Return what to search for, one query for each part, each with what it leans on."""
    queries: dict[str, None] = {}
    previous, answer = before.question, before.answer
    for part in split_parts(text):
        alone = stand_alone(part, previous, answer)
        query = read_scope(alone.query, names).text if alone.is_follow_up else without_lead(part)
        queries[query[:LONGEST_QUERY]] = None
        previous, answer = alone.text, ""
    return tuple(filter(None, queries))


def _pasted(text: str, names: Names) -> Understanding:
    """Decide what a long text is for by the line that begins or ends it."""
    head, last = text[:LONGEST_LINE], text[-LONGEST_LINE:].rpartition("\n")[2].strip()
    first = head.partition("\n")[0] if "\n" in head else ""
    lines = [set(_WORD.findall(line.casefold())) - {"text", "passage", "email"} for line in (first, last)]
    if GIVEN_TEXT.match(head) or any(_is_rework(line, True) for line in lines):
        return Understanding("writing", reason="writing task")
    typed = read_typed(next((line for line in (last, first) if line.endswith(("?", "？"))), ""), names)
    scope = read_scope(typed.text, names)
    filters = typed.filters.joined(scope.filters)
    query = scope.text or text[:LONGEST_QUERY]
    return Understanding("search", (query,), filters=filters, reason="long text", problem=typed.problem)
