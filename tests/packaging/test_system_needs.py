from __future__ import annotations

from typing import Any

import pytest

from tests.packaging import load_script

needs = load_script("system_needs")


def machine(**changes: Any) -> Any:
    """A Debian machine that has everything, with changes."""
    system = needs.System(
        platform="linux",
        version=(3, 11),
        has_command=lambda name: name == "apt-get",
        has_library=lambda soname: True,
        has_module=lambda name: True,
        has_compiler=lambda: True,
        has_font=lambda: True,
        has_display=True,
        is_root=False,
    )
    return system._replace(**changes)


def lacking(soname: str) -> Any:
    return lambda name: name != soname


def command_for(system: Any) -> str:
    commands = needs.install_commands(needs.missing_needs(system), system.manager)
    return " && ".join(" ".join(words) for words in commands)


def test_a_complete_machine_needs_nothing() -> None:
    assert needs.missing_needs(machine()) == []


@pytest.mark.parametrize(
    ("changes", "package"),
    [
        ({"has_compiler": lambda: False}, "g++"),
        ({"has_font": lambda: False}, "fonts-dejavu-core"),
        ({"has_module": lambda name: False}, "python3.11-venv"),
        ({"has_library": lacking("libEGL.so.1")}, "libegl1"),
        ({"has_library": lacking("libGL.so.1")}, "libgl1"),
        ({"has_library": lacking("libxkbcommon.so.0")}, "libxkbcommon0"),
        ({"has_library": lacking("libxkbcommon-x11.so.0")}, "libxkbcommon-x11-0"),
        ({"has_library": lacking("libdbus-1.so.3")}, "libdbus-1-3"),
        ({"has_library": lacking("libfontconfig.so.1")}, "libfontconfig1"),
        ({"has_library": lacking("libxcb-cursor.so.0")}, "libxcb-cursor0"),
    ],
)
def test_what_is_missing_on_debian_leads_to_its_package(changes: dict[str, Any], package: str) -> None:
    assert command_for(machine(**changes)) == f"apt-get install -y --no-install-recommends {package}"


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("dnf", "dnf install -y gcc-c++"),
        ("zypper", "zypper --non-interactive install gcc-c++"),
        ("pacman", "pacman -S --needed --noconfirm gcc"),
    ],
)
def test_other_distributions_get_their_own_command(manager: str, command: str) -> None:
    assert command_for(machine(has_command=lambda name: name == manager, has_compiler=lambda: False)) == command


def test_macos_and_windows_are_asked_for_a_compiler_but_not_for_libraries() -> None:
    bare = {"has_compiler": lambda: False, "has_library": lambda soname: False, "has_font": lambda: False}
    assert command_for(machine(platform="darwin", **bare)) == "xcode-select --install"
    assert command_for(machine(platform="win32", **bare)).startswith("winget install Microsoft.VisualStudio")


def test_each_package_is_named_once() -> None:
    system = machine(has_library=lambda soname: False, has_command=lambda name: name == "dnf")
    words = command_for(system).split()
    assert len(words) == len(set(words))


def test_every_need_of_linux_has_a_package_for_every_manager() -> None:
    everything = needs.missing_needs(
        machine(
            has_library=lambda soname: False,
            has_compiler=lambda: False,
            has_font=lambda: False,
            has_module=lambda name: False,
        )
    )
    assert all(set(needs.MANAGERS) <= set(need.packages) for need in everything)


def test_only_root_on_debian_may_install() -> None:
    assert machine(is_root=True).may_install
    assert not machine(is_root=False).may_install
    assert not machine(is_root=True, has_command=lambda name: name == "dnf").may_install
    assert not machine(is_root=True, platform="darwin").may_install


def test_libraries_of_the_screen_do_not_stop_a_machine_without_one() -> None:
    headless = machine(has_display=False, has_library=lacking("libxcb-cursor.so.0"))
    missing = needs.missing_needs(headless)
    assert len(missing) == 1
    assert not needs.must_stop(missing, headless)
    assert needs.must_stop(missing, headless._replace(has_display=True))


def test_a_missing_compiler_stops_everywhere() -> None:
    headless = machine(has_display=False, has_compiler=lambda: False)
    assert needs.must_stop(needs.missing_needs(headless), headless)


def test_advice_names_sudo_for_a_user_and_not_for_root() -> None:
    user = machine(has_compiler=lambda: False)
    missing = needs.missing_needs(user)
    assert "    sudo apt-get install -y --no-install-recommends g++" in needs.advice(missing, user).splitlines()
    assert "sudo" not in needs.advice(missing, user._replace(is_root=True))


def test_advice_on_an_unknown_linux_still_names_what_is_missing() -> None:
    unknown = machine(has_command=lambda name: False, has_compiler=lambda: False)
    text = needs.advice(needs.missing_needs(unknown), unknown)
    assert "C++ compiler" in text
    assert "package manager" in text


@pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12), (3, 13)])
def test_supported_pythons_are_no_problem(version: tuple[int, int]) -> None:
    assert needs.python_problem(version, lambda name: False) == ""


def test_an_old_python_is_told_which_one_to_use() -> None:
    text = needs.python_problem((3, 8), lambda name: name in ("python3.10", "python3.12"))
    assert "Python 3.8 is too old" in text
    assert "3.10 to 3.13" in text
    assert "python3.12 packaging/dev.py" in text


def test_a_python_that_is_too_new_is_named_so() -> None:
    assert "Python 3.14 is too new" in needs.python_problem((3, 14), lambda name: False)


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ":0", "QT_QPA_PLATFORM": "offscreen"}, "linux", False),
        ({"QT_QPA_PLATFORM": "vnc:size=800x600"}, "linux", True),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_a_display_is_found_by_the_environment(environment: dict[str, str], platform: str, expected: bool) -> None:
    assert needs.has_display(environment, platform) is expected


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "ran out of memory"),
        ("CMake Error: CMAKE_CXX_COMPILER not set, after EnableLanguage", "g++"),
        ("*** CMake must be installed to build", "cmake"),
        ("NewConnectionError: Failed to establish a new connection", "network"),
        ("ERROR: No matching distribution found for lancedb", "64-bit Python"),
    ],
)
def test_the_log_of_a_failure_is_understood(line: str, words: str) -> None:
    assert words in needs.diagnose(f"some output\n{line}\nmore output\n", machine())


def test_an_unknown_failure_is_left_to_the_log() -> None:
    assert needs.diagnose("everything was well", machine()) == ""
