"""Which Lo-Bi versions of a model there are: files in the models folder, each with a JSON card. Light to import."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.errors import HolaError
from engine.llm.gguf_header import read_header
from engine.lobi.fingerprint import LOBI_KEY, fingerprint
from engine.lobi.messages import Made, Role

__all__ = [
    "CARD_SUFFIX",
    "card_of",
    "forget_version",
    "is_version",
    "plans_for",
    "ready_version",
    "stamp",
    "version_path",
    "write_card",
]

CARD_SUFFIX = ".json"
FORMAT = 1
PIECES, PIECE_BYTES = (0.0, 0.25, 0.5, 0.75, 1.0), 1 << 16


def version_path(folder: Path, source: Path, role: Role = "target") -> Path:
    """Return where the version of a model is kept."""
    return folder / f"{source.stem}.{'lobi' if role == 'target' else 'draft'}.gguf"


def ready_version(folders: Sequence[Path], source: Path, role: Role = "target") -> Path | None:
    """Return the version of just this model file if it is whole, from the first folder that has one; else None."""
    for folder in folders:
        path = version_path(folder, source, role)
        card = card_of(path)
        if card is not None and card.get("source_stamp") == stamp(source) and card.get("stamp") == stamp(path):
            return path
    return None


def card_of(path: Path) -> Mapping[str, Any] | None:
    """Return the card of a version; None if there is none that can be read."""
    try:
        card = json.loads(path.with_suffix(path.suffix + CARD_SUFFIX).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return card if isinstance(card, dict) and card.get("format") == FORMAT else None


def is_version(path: Path) -> bool:
    """Whether a model file says of itself that Hola made it: one that was ended too early has no card."""
    try:
        return bool(read_header(path).text(LOBI_KEY))
    except HolaError:
        return False


def write_card(made: Made, recipe: Mapping[str, Any]) -> None:
    """Write the card of a version whose file is in place."""
    card = {
        "format": FORMAT,
        "source": made.source.name,
        "source_stamp": stamp(made.source),
        "stamp": stamp(made.path),
        "role": made.role,
        "before": asdict(made.before),
        "after": asdict(made.after),
        "kl": made.kl,
        **recipe,
    }
    file = made.path.with_suffix(made.path.suffix + CARD_SUFFIX)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", "utf-8")
    new.replace(file)


def forget_version(folder: Path, path: Path) -> None:
    """Delete a version of this folder with its card; any other model is left alone."""
    card = path.with_suffix(path.suffix + CARD_SUFFIX)
    if path.parent == folder and card_of(path) is not None:
        card.unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def stamp(path: Path) -> list[int | str]:
    """Return what a file is known by, also when it was copied: its size in bytes, and a hash of pieces of it."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            digest = hashlib.blake2b(digest_size=16)
            for share in PIECES:
                file.seek(int(share * max(0, size - PIECE_BYTES)))
                digest.update(file.read(PIECE_BYTES))
    except OSError:
        return []
    return [size, digest.hexdigest()]


def plan_hash(file: Path) -> str:
    """Return what tells a plan with its adapter from others: the SHA-256 of the plan, which names its adapter's."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def plans_for(folder: Path, source: Path) -> dict[Role, Path]:
    """Return the plans in a folder that were made for a model, in any quantization, by role.

    A version has none: what was learned is in it already. Raises ModelFileError if the model can't be read.
    """
    found: dict[Role, Path] = {}
    header = read_header(source)
    name = header.text("general.name")
    if header.text(LOBI_KEY):
        return found
    for file in sorted(folder.glob("*.json")):
        try:
            plan = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if not isinstance(plan, dict) or plan.get("name") != name or plan.get("role") not in ("target", "draft"):
            continue
        if plan.get("fingerprint") == fingerprint(source):
            found[plan["role"]] = file
    return found
