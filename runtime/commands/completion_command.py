"""`palmette completion`: what a shell needs to complete palmette's commands and options, made from the parsers."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console

from .command import Commands, add_command

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True, slots=True)
class Completable:
    """A command: its options with their choices and help, and the choices of what comes without an option."""

    name: str
    about: str
    options: tuple[tuple[str, tuple[str, ...], str, bool], ...]
    """(option, choices, help, whether a value follows)."""
    words: tuple[str, ...]


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "completion", show_completion, 'eval "$(palmette completion bash)"')
    parser.add_argument("shell", choices=SHELLS, help="whose language")
    parser.set_defaults(all_commands=lambda: _completables(commands))


def show_completion(options: argparse.Namespace, out: Console) -> int:
    """Write a script that completes commands, options and their values in your shell.

    bash, zsh: put `eval "$(palmette completion bash)"` (or zsh) into ~/.bashrc (~/.zshrc). fish: write it to
    ~/.config/fish/completions/palmette.fish.
    """
    writers: dict[str, Callable[[list[Completable]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    out.print(writers[options.shell](options.all_commands()))
    return 0


def _completables(commands: argparse._SubParsersAction) -> list[Completable]:  # type: ignore[type-arg] # argparse's own
    about = {each.dest: each.help or "" for each in commands._choices_actions}
    found = []
    for name, parser in commands.choices.items():
        options: list[tuple[str, tuple[str, ...], str, bool]] = []
        words: list[str] = []
        for action in parser._actions:
            choices = tuple(map(str, action.choices or _from_metavar(action)))
            about_option = (action.help or "").replace("%%", "%")
            long = [each for each in action.option_strings if each.startswith("--")]
            options += [(each, choices, about_option, action.nargs != 0) for each in long]
            if not action.option_strings:
                words += choices
        found.append(Completable(name, about.get(name, ""), tuple(options), tuple(words)))
    return found


def _from_metavar(action: argparse.Action) -> tuple[str, ...]:
    metavar = action.metavar
    if isinstance(metavar, str) and metavar.startswith("{"):
        return tuple(metavar.strip("{}").split(","))
    return ()


def _bash(commands: list[Completable]) -> str:
    cases = []
    for command in commands:
        values = "".join(
            f'      {option}) COMPREPLY=($(compgen -W "{" ".join(choices)}" -- "$word")); return;;\n'
            for option, choices, _, _ in command.options
            if choices
        )
        words = " ".join([*(option for option, *_ in command.options), *command.words])
        cases.append(
            f'    {command.name})\n      case "$before" in\n{values}      esac\n'
            f'      COMPREPLY=($(compgen -W "{words}" -- "$word") $(compgen -f -- "$word"));;'
        )
    names = " ".join(command.name for command in commands)
    return (
        "_palmette() {\n"
        '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"\n'
        '  if [ "$COMP_CWORD" -eq 1 ]; then\n'
        f'    COMPREPLY=($(compgen -W "{names} --help" -- "$word")); return\n'
        "  fi\n"
        '  case "${COMP_WORDS[1]}" in\n' + "\n".join(cases) + "\n  esac\n"
        "}\n"
        "complete -o filenames -F _palmette palmette"
    )


def _zsh(commands: list[Completable]) -> str:
    names = "\n".join(f"    {_quoted(f'{command.name}:{command.about}')}" for command in commands)
    cases = []
    for command in commands:
        specs = [_zsh_spec(*option) for option in command.options]
        specs.append(_quoted(f"*: :({' '.join(command.words)})") if command.words else "'*:file:_files'")
        cases.append(f"    {command.name}) _arguments \\\n      " + " \\\n      ".join(specs) + ";;")
    return (
        "_palmette() {\n  local -a commands=(\n" + names + "\n  )\n"
        "  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
        "  local command=$words[2]\n  shift words; (( CURRENT-- ))\n"
        "  case $command in\n" + "\n".join(cases) + "\n  esac\n}\ncompdef _palmette palmette"
    )


def _zsh_spec(option: str, choices: tuple[str, ...], about: str, takes_value: bool) -> str:
    text = about.replace("[", "(").replace("]", ")").replace(":", "\\:")
    value = (f":value:({' '.join(choices)})" if choices else ":value:_files") if takes_value else ""
    return _quoted(f"*{option}[{text}]{value}")


def _fish(commands: list[Completable]) -> str:
    lines = ["complete -c palmette -f"]
    for command in commands:
        lines.append(f"complete -c palmette -n __fish_use_subcommand -a {command.name} -d {_quoted(command.about)}")
        seen = f"-n '__fish_seen_subcommand_from {command.name}'"
        for option, choices, about, takes_value in command.options:
            value = (f" -x -a {_quoted(' '.join(choices))}" if choices else " -r -F") if takes_value else ""
            lines.append(f"complete -c palmette {seen} -l {option[2:]} -d {_quoted(about)}{value}")
        lines += [f"complete -c palmette {seen} -a {word}" for word in command.words]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
