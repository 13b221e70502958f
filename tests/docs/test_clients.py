"""The page on clients: its table says the versions that are tested, and each client has one program."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
REQUIREMENTS = sorted((ROOT / "tests" / "clients" / "requirements").glob("*.txt"))
ROWS = re.findall(r"^\| \[(.+?)\]\(#(.+?)\) \| (.+?) \|", PAGE, re.MULTILINE)


def pins_of(path: Path) -> set[str]:
    return set(re.findall(r"^(\S+==\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_versions_are_those_that_are_pinned() -> None:
    pins = [pins_of(path) for path in REQUIREMENTS]
    for name, _, versions in ROWS:
        for environment in versions.split("; "):
            wanted = {"==".join(pair) for pair in re.findall(r"([a-z][\w-]*) (\d[\w.]*)", environment)}
            assert wanted, name
            assert any(wanted <= found for found in pins), f"{name}: {wanted} are not pinned together"


def test_each_client_has_one_program() -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
    assert [name for name, *_ in ROWS] == list(sections)
    assert {anchor for _, anchor, _ in ROWS} == {name.lower().replace(" ", "-") for name in sections}
    for name, text in sections.items():
        (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        compile(program, name, "exec")


def test_each_program_is_run() -> None:
    tests = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "clients").glob("test_*.py"))
    for name, *_ in ROWS:
        assert f'run_program("{name}")' in tests, name
