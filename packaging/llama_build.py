"""How llama.cpp is compiled: for this processor, but without what crashes on it. Standard library only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

__all__ = ["AFRESH", "NO_AMX", "build_with_amx", "compiling"]

NO_AMX = "-U__AMX_INT8__"
"""What leaves AMX out of llama.cpp wherever the compiler, told to build for this processor, would choose it."""


AFRESH = ("--no-cache-dir", "--force-reinstall", "--no-deps")
"""What makes pip compile a package again."""


def compiling(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which llama.cpp is compiled: without AMX, where it crashes.

    gcc leaves out the setting of the tiles as of no use, and the first product of matrices ends the process (llama.cpp,
    pull request 26954).
    """
    if os.name == "nt":
        return dict(environment)
    flags = {name: f"{environment.get(name, '')} {NO_AMX}".strip() for name in ("CFLAGS", "CXXFLAGS")}
    return {**environment, **flags}


def build_with_amx(python: Path) -> str:
    """Return the version of llama-cpp-python that is installed if it was compiled for AMX; else nothing."""
    code = "import llama_cpp; print(llama_cpp.__version__, llama_cpp.llama_print_system_info().decode())"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.split(" ", 1)[0] if "AMX_INT8 = 1" in done.stdout else ""
