"""What Hola needs from the operating system, what of it is missing, and the command that installs it.

Standard library only; parses on every Python 3, so that `dev.py` can tell that a Python is too old.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

OLDEST = (3, 10)
NEWEST = (3, 13)

MANAGERS: Mapping[str, tuple[str, ...]] = {
    "apt-get": ("apt-get", "install", "-y", "--no-install-recommends"),
    "dnf": ("dnf", "install", "-y"),
    "zypper": ("zypper", "--non-interactive", "install"),
    "pacman": ("pacman", "-S", "--needed", "--noconfirm"),
}
"""Linux package managers and how each installs, the ones looked for first at the top."""


class Need(NamedTuple):
    """Something the operating system has to provide."""

    name: str
    """What it is, in words."""
    packages: Mapping[str, str]
    """Package manager -> package; on macOS and Windows the key is the platform and the value a whole command."""
    only_on_screen: bool = False
    """Whether it is needed only where a display shows the window."""


def _linux(name: str, apt: str, dnf: str, zypper: str, pacman: str, only_on_screen: bool = False) -> Need:
    return Need(name, {"apt-get": apt, "dnf": dnf, "zypper": zypper, "pacman": pacman}, only_on_screen)


COMPILER = Need(
    "a C++ compiler (llama.cpp is compiled for your processor)",
    {
        "apt-get": "g++",
        "dnf": "gcc-c++",
        "zypper": "gcc-c++",
        "pacman": "gcc",
        "darwin": "xcode-select --install",
        "win32": "winget install Microsoft.VisualStudio.2022.BuildTools --override "
        '"--passive --wait --add Microsoft.VisualStudio.Workload.VCTools --includeRecommended"',
    },
)
CMAKE = Need(
    "CMake",
    {
        "apt-get": "cmake",
        "dnf": "cmake",
        "zypper": "cmake",
        "pacman": "cmake",
        "darwin": "brew install cmake",
        "win32": "winget install Kitware.CMake",
    },
)
FONT = _linux("a font", "fonts-dejavu-core", "dejavu-sans-fonts", "dejavu-fonts", "ttf-dejavu")

QT_LIBRARIES: Mapping[str, Need] = {
    soname: _linux(f"the library {soname}", *packages)
    for soname, packages in {
        "libEGL.so.1": ("libegl1", "libglvnd-egl", "libglvnd", "libglvnd"),
        "libGL.so.1": ("libgl1", "libglvnd-glx", "libglvnd", "libglvnd"),
        "libxkbcommon.so.0": ("libxkbcommon0", "libxkbcommon", "libxkbcommon0", "libxkbcommon"),
        "libdbus-1.so.3": ("libdbus-1-3", "dbus-libs", "libdbus-1-3", "dbus"),
        "libfontconfig.so.1": ("libfontconfig1", "fontconfig", "fontconfig", "fontconfig"),
        "libfreetype.so.6": ("libfreetype6", "freetype", "libfreetype6", "freetype2"),
        "libglib-2.0.so.0": ("libglib2.0-0", "glib2", "libglib-2_0-0", "glib2"),
        "libX11.so.6": ("libx11-6", "libX11", "libX11-6", "libx11"),
    }.items()
}
"""Shared libraries that Qt loads before it opens a window anywhere, off-screen too."""

SCREEN_LIBRARIES: Mapping[str, Need] = {
    soname: _linux(f"the library {soname}", *packages, only_on_screen=True)
    for soname, packages in {
        "libxkbcommon-x11.so.0": ("libxkbcommon-x11-0", "libxkbcommon-x11", "libxkbcommon-x11-0", "libxkbcommon-x11"),
        "libxcb-cursor.so.0": ("libxcb-cursor0", "xcb-util-cursor", "libxcb-cursor0", "xcb-util-cursor"),
        "libxcb-icccm.so.4": ("libxcb-icccm4", "xcb-util-wm", "libxcb-icccm4", "xcb-util-wm"),
        "libxcb-image.so.0": ("libxcb-image0", "xcb-util-image", "libxcb-image0", "xcb-util-image"),
        "libxcb-keysyms.so.1": ("libxcb-keysyms1", "xcb-util-keysyms", "libxcb-keysyms1", "xcb-util-keysyms"),
        "libxcb-render-util.so.0": (
            "libxcb-render-util0",
            "xcb-util-renderutil",
            "libxcb-render-util0",
            "xcb-util-renderutil",
        ),
        "libxcb-randr.so.0": ("libxcb-randr0", "libxcb", "libxcb-randr0", "libxcb"),
        "libxcb-shape.so.0": ("libxcb-shape0", "libxcb", "libxcb-shape0", "libxcb"),
        "libxcb-xkb.so.1": ("libxcb-xkb1", "libxcb", "libxcb-xkb1", "libxcb"),
    }.items()
}
"""Shared libraries that Qt's X11 plugin loads as well."""


class System(NamedTuple):
    """The machine as the decisions see it; tests give another one."""

    platform: str
    """As `sys.platform` says."""
    version: tuple[int, int]
    """Of the Python that runs."""
    has_command: Callable[[str], bool]
    has_library: Callable[[str], bool]
    has_module: Callable[[str], bool]
    has_compiler: Callable[[], bool]
    has_font: Callable[[], bool]
    has_display: bool
    is_root: bool

    @property
    def manager(self) -> str:
        """The key of `Need.packages` that fits here; empty on an unknown Linux."""
        if not self.platform.startswith("linux"):
            return self.platform
        return next((name for name in MANAGERS if self.has_command(name)), "")

    @property
    def may_install(self) -> bool:
        """Whether Hola may install system packages by itself: as root on Debian and its children."""
        return self.is_root and self.manager == "apt-get"


def this_system() -> System:
    """Return the machine that runs this."""
    return System(
        platform=sys.platform,
        version=(sys.version_info[0], sys.version_info[1]),
        has_command=lambda name: shutil.which(name) is not None,
        has_library=_can_load,
        has_module=_can_import,
        has_compiler=_finds_compiler,
        has_font=_finds_font,
        has_display=has_display(os.environ, sys.platform),
        is_root=hasattr(os, "geteuid") and os.geteuid() == 0,
    )


def has_display(environment: Mapping[str, str], platform: str) -> bool:
    """Tell whether a window can appear on a screen."""
    if not platform.startswith("linux"):
        return True
    plugin = environment.get("QT_QPA_PLATFORM", "").split(":")[0]
    if plugin in ("offscreen", "minimal"):
        return False
    return bool(
        environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY") or plugin in ("vnc", "eglfs", "linuxfb")
    )


def python_problem(version: tuple[int, int], has_command: Callable[[str], bool]) -> str:
    """Return why this Python can't run Hola, and which one can; empty if it can."""
    if OLDEST <= version <= NEWEST:
        return ""
    age = "old" if version < OLDEST else "new"
    text = "Python {}.{} is too {}: Hola needs Python {}.{} to {}.{}".format(*version, age, *OLDEST, *NEWEST)
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        if has_command(f"python3.{minor}"):
            return f"{text}. This machine has one; use it: python3.{minor} packaging/dev.py ..."
    return f"{text}. Install one, and start this script with it."


def missing_needs(system: System) -> list[Need]:
    """Return what the operating system lacks, in the order in which it will be needed."""
    needs = []
    if not system.has_module("ensurepip"):
        needs.append(_venv_need(system.version))
    if not system.has_compiler():
        needs.append(COMPILER)
    if system.platform.startswith("linux"):
        libraries = {**QT_LIBRARIES, **SCREEN_LIBRARIES}
        needs += [need for soname, need in libraries.items() if not system.has_library(soname)]
        if not system.has_font():
            needs.append(FONT)
    return needs


def must_stop(needs: Iterable[Need], system: System) -> bool:
    """Tell whether Hola can't be installed or started without them."""
    return any(system.has_display or not need.only_on_screen for need in needs)


def install_commands(needs: Sequence[Need], manager: str) -> list[list[str]]:
    """Return the commands that install the needs by this package manager, as lists of words."""
    if manager in MANAGERS:
        packages = list(dict.fromkeys(need.packages[manager] for need in needs if manager in need.packages))
        return [[*MANAGERS[manager], *packages]] if packages else []
    return [[need.packages[manager]] for need in needs if manager in need.packages]


def advice(needs: Sequence[Need], system: System) -> str:
    """Return what is missing and the command that installs it, for people."""
    lines = ["Missing on this machine: " + ", ".join(need.name for need in needs) + "."]
    commands = [" ".join(words) for words in install_commands(needs, system.manager)]
    if not commands:
        lines.append("Install this with your system's package manager, then start again.")
        return "\n".join(lines)
    sudo = "sudo " if system.manager in MANAGERS and not system.is_root else ""
    lines.append("Install it, then start again:")
    return "\n".join([*lines, *(f"    {sudo}{command}" for command in commands)])


def diagnose(log: str, system: System) -> str:
    """Return in a sentence or two why an installation failed, from its log; empty if the log does not tell."""
    return next((told(system) for pattern, told in FAILURES if re.search(pattern, log)), "")


FAILURES: tuple[tuple[str, Callable[[System], str]], ...] = (
    (
        r"No space left on device|Errno 28\b",
        lambda system: "The disk is full: free at least 3 GB, then start again.",
    ),
    (
        r"Killed signal terminated program|fatal error: Killed|out of memory allocating",
        lambda system: (
            "The compiler ran out of memory: close other programs, set CMAKE_BUILD_PARALLEL_LEVEL=1, then start again."
        ),
    ),
    (
        r"No CMAKE_CXX_COMPILER|CMAKE_(CXX|C)_COMPILER not set|not able to compile a simple test program",
        lambda system: advice([COMPILER], system),
    ),
    (
        r"CMake must be installed|Could not find CMake|No such file or directory: 'cmake'",
        lambda system: advice([CMAKE], system),
    ),
    (
        r"failure in name resolution|Network is unreachable|NewConnectionError|getaddrinfo failed|ReadTimeoutError",
        lambda system: "The packages could not be downloaded: check the network connection, then start again.",
    ),
    (
        r"No matching distribution found for \S+",
        lambda system: "A package is not offered for this machine: use a 64-bit Python {}.{} to {}.{}.".format(
            *OLDEST, *NEWEST
        ),
    ),
)
"""Patterns of an installation's log, and what each means; the first that is found tells."""


def _venv_need(version: tuple[int, int]) -> Need:
    package = "python{}.{}-venv".format(*version)
    return Need(
        "Python's module ensurepip (it makes virtual environments)",
        {"apt-get": package, "dnf": "python3-pip", "zypper": "python3-pip", "pacman": "python"},
    )


def _finds_compiler() -> bool:
    if sys.platform == "darwin":
        # /usr/bin/clang++ is there without a compiler too: it only offers to install one.
        tools = ("/Library/Developer/CommandLineTools", "/Applications/Xcode.app")
        return any(Path(folder).is_dir() for folder in tools)
    if sys.platform == "win32":
        return shutil.which("cl") is not None or _finds_visual_cpp()
    return any(shutil.which(name) for name in ("c++", "g++", "clang++"))


def _finds_visual_cpp() -> bool:
    folders = [Path(os.environ[name]) for name in ("ProgramFiles", "ProgramFiles(x86)") if os.environ.get(name)]
    pattern = "Microsoft Visual Studio/*/*/VC/Tools/MSVC/*/bin/Host*/*/cl.exe"
    return any(next(folder.glob(pattern), None) is not None for folder in folders)


def _can_load(soname: str) -> bool:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def _can_import(name: str) -> bool:
    importlib.invalidate_caches()
    return importlib.util.find_spec(name) is not None


def _finds_font() -> bool:
    home = Path("~").expanduser()
    folders = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".fonts", home / ".local/share/fonts"]
    return any(
        next(folder.rglob(f"*.{kind}"), None) is not None for folder in folders for kind in ("ttf", "otf", "ttc")
    )
