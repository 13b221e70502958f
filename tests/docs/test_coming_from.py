"""The page for those who come from elsewhere: our programs run, the others' compile."""

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

import palmette

PAGE = Path(__file__).parent.parent.parent / "docs" / "coming-from.md"
OURS = "# palmette"
PEERS = ("SGLang", "guidance", "outlines")


def blocks(page: str) -> list[tuple[str, str]]:
    """The Python blocks, each with the heading above it."""
    found, heading = [], ""
    for match in re.finditer(r"^## ([^\n]+)$|^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if match[1] is not None:
            heading = match[1]
        else:
            found.append((heading, match[2]))
    return found


BLOCKS = blocks(PAGE.read_text(encoding="utf-8"))
RUN = {heading: code for heading, code in BLOCKS if code.startswith(OURS)}


@pytest.fixture(scope="module")
def engine() -> Iterator[palmette.Engine]:
    with palmette.Engine() as made:
        yield made
        made.check_integrity()


@pytest.mark.parametrize("heading", sorted(RUN))
def test_ours_run(engine: palmette.Engine, heading: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "block.py"
    path.write_text(RUN[heading], encoding="utf-8")
    palmette.set_default_backend(engine)
    try:
        runpy.run_path(str(path), run_name="__main__")
    finally:
        palmette.set_default_backend(None)
    assert capsys.readouterr().out.strip(), "a program of the page shows what it made"


def test_each_heading_has_one_program_of_ours_and_those_of_the_others_compile() -> None:
    assert len(RUN) == 6 == sum(code.startswith(OURS) for _, code in BLOCKS)
    assert {heading for heading, _ in BLOCKS} == set(RUN)
    for heading, code in BLOCKS:
        assert code.startswith((OURS, *(f"# {peer}" for peer in PEERS))), f"{heading}: a block says whose it is"
        compile(code, heading, "exec")


def test_a_program_that_is_the_same_is_the_same() -> None:
    """What the page calls the same in SGLang is ours but for the names of the import."""
    for heading, code in BLOCKS:
        if code.startswith("# SGLang: the same\n"):
            theirs = code.replace("sgl.", "pm.").split("\n\n\n", 1)[1].strip()
            assert theirs in RUN[heading], heading


def test_what_is_refused_is_refused(engine: palmette.Engine) -> None:
    @palmette.function
    def program(s):
        s += "a" + palmette.gen("x", max_tokens=1, top_k=-1)

    with pytest.raises(palmette.InvalidArgument, match="use_thread"):
        program.run(backend=engine, use_thread=True)
    with pytest.raises(palmette.InvalidArgument, match="num_api_spec_tokens"):
        palmette.function(num_api_spec_tokens=4)
    with pytest.raises(palmette.InvalidArgument, match="position_ids_offset"):
        palmette.function(lambda s: s.fork(2, position_ids_offset=[0, 1])).run(backend=engine)
    with pytest.raises(palmette.InvalidArgument, match="at most one"):
        palmette.gen("x", choices=["a"], regex="b")
    assert program.run(backend=engine).get_meta_info("x")["completion_tokens"] == 1, "-1 is read as all tokens"


def test_names_and_links_lead_somewhere() -> None:
    """Each name of ours, and each link, leads somewhere."""
    page = PAGE.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((\.\./[^)#]+)\)", page):
        assert (PAGE.parent / link).resolve().exists(), link
    for name in re.findall(r"`@?pm\.(\w+)", page):
        assert name in palmette.__all__, name
