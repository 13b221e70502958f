"""What the README shows of the server: the shell commands and the program run against one."""

import json
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

README = Path(__file__).parent.parent.parent / "README.md"
WRITTEN = "localhost:30000"


def block(language: str, url: str) -> str:
    """The block of the section on the server, with another address in it."""
    section = README.read_text(encoding="utf-8").partition("\n## A server\n")[2].partition("\n## ")[0]
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert WRITTEN in found
    return str(found).replace(WRITTEN, url.removeprefix("http://"))


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_the_command(url: str) -> None:
    start, _, rest = block("bash", url).partition("\n")
    assert start == "palmette serve &"
    done = subprocess.run(["bash", "-c", rest], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    person = json.loads(json.loads(done.stdout)["choices"][0]["message"]["content"])
    assert person.keys() == {"name", "age"}


def test_the_program(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "readme.py"
    path.write_text(block("python", url), encoding="utf-8")
    names = runpy.run_path(str(path))
    assert isinstance(names["reply"].choices[0].message.parsed, names["Person"])
    assert capsys.readouterr().out.startswith("name=")
