"""Every patch of the catalogue fits the package as it is, and makes a program of it."""

import pytest

from mutants.catalogue import CATALOGUE, REASONS
from mutants.mutation import Mutation
from mutants.package_copy import ROOT, copy_with_fault
from mutants.results_table import BEGIN, END, README, Result, table_of


@pytest.mark.parametrize("mutation", CATALOGUE, ids=lambda mutation: mutation.name)
def test_a_patch_fits_and_changes_the_file(mutation: Mutation) -> None:
    assert mutation.patched_file(ROOT) != (ROOT / mutation.file).read_text(encoding="utf-8")


def test_there_are_thirty_at_least_each_with_its_name_and_sentence() -> None:
    names = [mutation.name for mutation in CATALOGUE]
    assert len(set(names)) == len(names) >= 30
    assert all(mutation.breaks.endswith(".") for mutation in CATALOGUE)
    assert set(REASONS) <= set(names)


def test_two_mutants_are_never_the_same_patch() -> None:
    assert len({(each.file, each.before, each.after) for each in CATALOGUE}) == len(CATALOGUE)


@pytest.mark.parametrize("source", ["", "x = 1\nx = 1\n"])
def test_a_stale_patch_is_told(source: str) -> None:
    mutation = Mutation("stale", "Nothing.", "some/file.py", "x = 1", "x = 2")
    with pytest.raises(ValueError, match=r"stale: expected 'x = 1' once in some/file\.py"):
        mutation.patched(source)


def test_a_patch_that_is_no_program_is_told() -> None:
    with pytest.raises(SyntaxError):
        Mutation("broken", "Nothing.", "some/file.py", "x = 1", "x = (").patched("x = 1\n")


def test_a_fault_is_put_into_a_copy_and_nowhere_else(tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.mktemp("base") / "palmette"
    (base / "part").mkdir(parents=True)
    for name in ("a", "b"):
        (base / "part" / f"{name}.py").write_text("x = 1\n")
    home = tmp_path_factory.mktemp("home")
    copy = copy_with_fault(base, home, Mutation("fault", "Nothing.", "part/a.py", "x = 1", "x = 2"))
    assert copy == home / "palmette"
    assert (copy / "part" / "a.py").read_text() == "x = 2\n"
    assert (copy / "part" / "b.py").read_text() == (base / "part" / "a.py").read_text() == "x = 1\n"


def test_the_table_tells_what_was_killed_and_what_survived() -> None:
    mutation = Mutation("fault", "It breaks a|b.", "a.py", "x = 1", "x = 2")
    table = table_of(
        [Result(mutation, "AssertionError: expected `a` | b\nmore", 3, 4.4), Result(mutation, None, 90, 60.0)],
        {"fault": "(nobody looks)"},
    )
    assert table.startswith("1 of 2 killed.\n")
    assert "| `AssertionError: expected 'a' \\| b` | 3 | 4 |" in table
    assert "| **survived** (nobody looks) | 90 | 60 |" in table


def test_the_readme_has_a_row_for_every_mutant() -> None:
    shown = README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    rows = [line.split("|")[1].strip() for line in shown.splitlines() if line.startswith("| ")][1:]
    assert rows == [mutation.name for mutation in CATALOGUE]
