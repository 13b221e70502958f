"""A program's text is shown while it grows."""

import sys
import threading
import types
from typing import Any

import pytest
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as pm


@pm.function
def ended(s):
    s += "a < b " + pm.gen("long") + "."


class Place:
    """What IPython's display gives, as far as it is used."""

    def __init__(self, seen: threading.Event | None = None) -> None:
        self.shown: list[str] = []
        self._seen = seen

    def update(self, content: Any) -> None:
        self.shown.append(content._repr_html_())
        if self._seen is not None:
            self._seen.set()


@pm.function
def program(s):
    s += "a < b " + pm.gen("long")


def test_on_a_terminal_it_is_printed(backend: ScriptedBackend, capsys: pytest.CaptureFixture[str]) -> None:
    backend.answers = {"long": "a long answer"}
    program.run(stream=True).show()
    assert capsys.readouterr().out == "a < b a long answer\n"


def test_in_a_notebook_it_grows_in_one_place(backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.answers = {"long": "a long answer"}
    backend.held = {"long": threading.Event()}  # it ends only when its text has been seen
    place = Place(backend.held["long"])
    ipython: Any = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    display: Any = types.ModuleType("IPython.display")
    display.display = lambda content, display_id: place
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    ended.run(stream=True).show()
    assert place.shown[-1] == '<pre style="white-space: pre-wrap">a &lt; b a long answer.</pre>'
    assert len(place.shown) > 1
    assert all(len(before) < len(after) for before, after in zip(place.shown, place.shown[1:], strict=False))


def test_what_fails_is_raised(backend: ScriptedBackend) -> None:
    backend.failures = {"long": ScriptedFailure("no")}
    with pytest.raises(pm.ProgramError, match="'long'"):
        program.run(stream=True).show(Place())
