"""The default backend: set, made on first use, ended at exit."""

import pytest
from scripted_backend import ScriptedBackend

import palmette as sgl
from palmette.lang.default_backend import DefaultBackend


def test_it_is_made_once_when_first_needed() -> None:
    made: list[ScriptedBackend] = []

    def make() -> ScriptedBackend:
        made.append(ScriptedBackend())
        return made[-1]

    holder = DefaultBackend()
    with pytest.raises(sgl.BackendNotSet, match="set_default_backend"):
        holder.get()
    holder.set_factory(make)
    assert made == []
    assert holder.get() is holder.get() is made[0]
    own = ScriptedBackend()
    holder.set(own)
    assert holder.get() is own
    holder.close()
    assert (made[0].is_closed, own.is_closed) == (True, False)
    holder.set(None)
    assert holder.get() is made[1]
    holder.forget()
    assert holder.get() is made[2]


def test_only_backends_are_taken() -> None:
    for wrong in (5, "http://localhost", ScriptedBackend):
        with pytest.raises(sgl.InvalidArgument, match="backend"):
            sgl.set_default_backend(wrong)  # type: ignore[arg-type]  # that is the test
