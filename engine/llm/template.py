"""Render a chat with the model's own template, in a sandbox, so that no content can pass for a control token."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.errors import ModelFileError
from engine.messages import ChatMessage

__all__ = ["PLAIN_TEMPLATE", "ChatTemplate"]

PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] }}\n\n"
    "{% elif message['role'] == 'user' %}User: {{ message['content'] }}\n"
    "{% else %}Assistant: {{ message['content'] }}\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""For a model that carries no template: a base model continues the dialogue."""

PLAIN_STOP = ("\nUser:",)


class _Refused(Exception):
    """The template called raise_exception."""


def _raise_exception(message: str) -> None:
    raise _Refused(message)


class ChatTemplate:
    """A model's chat template; a template is untrusted input and runs in Jinja's immutable sandbox."""

    def __init__(self, source: str, bos: str, eos: str, special_tokens: Iterable[str]) -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = lambda layout: datetime.now().strftime(layout)
        self._bos, self._eos = bos, eos
        self.stop: tuple[str, ...] = () if source else PLAIN_STOP
        """Strings that end an answer, beside the end-of-generation tokens."""
        try:
            self._template = environment.from_string(source or PLAIN_TEMPLATE)
        except jinja2.TemplateError as exc:
            raise ModelFileError(f"The model's chat template is damaged ({exc}): choose another model.") from exc
        longest_first = sorted({token for token in special_tokens if len(token) > 1}, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def render(self, messages: Sequence[ChatMessage]) -> str:
        """Return the prompt text up to where the assistant speaks."""
        safe = [ChatMessage(each.role, self._neutral(each.content.strip())) for each in messages]
        try:
            return self._render(safe)
        except _Refused:
            # Some templates (Gemma's) know no system role: its text then opens the first question.
            return self._render_or_raise(_without_system(safe))

    def _render_or_raise(self, messages: Sequence[ChatMessage]) -> str:
        try:
            return self._render(messages)
        except _Refused as exc:
            raise ModelFileError(f"The model's chat template refuses this chat ({exc}): choose another model.") from exc

    def _render(self, messages: Sequence[ChatMessage]) -> str:
        dialogue = [{"role": each.role, "content": each.content} for each in messages]
        try:
            return self._template.render(
                messages=dialogue, add_generation_prompt=True, bos_token=self._bos, eos_token=self._eos, tools=None
            )
        except (jinja2.TemplateError, TypeError, ValueError, OverflowError) as exc:
            raise ModelFileError(f"The model's chat template fails ({exc}): choose another model.") from exc

    def _neutral(self, content: str) -> str:
        """Break up control tokens inside content by an invisible space, so that they are read as plain text."""
        if self._special is None:
            return content
        return self._special.sub(lambda match: match[0][0] + "\u200b" + match[0][1:], content)


def _without_system(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    system = "\n\n".join(each.content for each in messages if each.role == "system")
    rest = [each for each in messages if each.role != "system"]
    if system and rest and rest[0].role == "user":
        rest[0] = ChatMessage("user", f"{system}\n\n{rest[0].content}")
    return rest
