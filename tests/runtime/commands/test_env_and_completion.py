"""`palmette env` and `palmette completion`."""

import json
import shutil
import subprocess

import pytest

from palmette.kernels.attention_backends.backend_name import BACKEND_NAMES
from palmette.runtime.cli import COMMANDS, main


def test_env_says_what_is_here_and_no_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALMETTE_API_KEY", "hush")
    assert main(["env", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {"palmette", "python", "device", "dtype", "torch", "triton"} <= facts.keys()
    assert facts["variables"] == ["PALMETTE_API_KEY"]
    chosen = facts["attention"].split()[0]
    others = {name for name in facts if name.startswith("attention, not ")}
    assert others == {f"attention, not {name}" for name in BACKEND_NAMES if name != chosen}
    assert all(facts[name] for name in others)
    assert main(["env"]) == 0
    text = capsys.readouterr().out
    assert "hush" not in text
    assert len(text.splitlines()) == len(facts)


def completed(script: str, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    typed = " ".join(f"'{word}'" for word in words)
    command = (
        f"{script}\nCOMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _palmette; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    return subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_commands_options_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert completed(script, "palmette", "se") == ["serve"]
    assert len(completed(script, "palmette", "")) == len(COMMANDS) + 1
    assert completed(script, "palmette", "serve", "--schedule") == ["--schedule-policy"]
    assert "priority" in completed(script, "palmette", "serve", "--schedule-policy", "")
    assert "--no-in-process" in completed(script, "palmette", "serve", "--no-in")
    assert {"bash", "zsh", "fish"} <= set(completed(script, "palmette", "completion", ""))


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_every_option(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for words in ("serve", "chat", "once", "schedule-policy", "fair-lpm"):
        assert words in script
    found = shutil.which(shell)
    if found is not None:
        subprocess.run([found, "-n"], input=script, text=True, check=True)


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "csh"]) == 2
    assert "csh" in capsys.readouterr().err
