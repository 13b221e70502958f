"""What `import palmette` gives, and what it does not bring along."""

import json
import subprocess
import sys

import palmette

HEAVY = ["torch", "transformers", "xgrammar", "numpy", "rich", "jinja2", "tokenizers", "fastapi", "httpx"]


def test_names_are_all_there_and_all_listed() -> None:
    listed = palmette.__all__
    assert listed == sorted(listed)
    assert len(set(listed)) == len(listed)
    public = {name for name in vars(palmette) if not name.startswith("_")}
    modules = {name for name in public if type(getattr(palmette, name)).__name__ == "module"}
    assert public - modules - {"DEFAULT_BACKEND", "TYPE_CHECKING", "import_module"} <= set(listed)
    assert set(listed) - public <= set(palmette._LATER), "the engine and the agents come when they are asked for"
    assert all(getattr(palmette, name) is not None for name in listed)
    assert dir(palmette) == listed


def test_sglangs_names_are_here() -> None:
    theirs = """function gen gen_int gen_string select system user assistant system_begin system_end user_begin user_end
    assistant_begin assistant_end set_default_backend flush_cache Engine token_length_normalized
    greedy_token_selection unconditional_likelihood_normalized"""
    assert set(theirs.split()) <= set(palmette.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(palmette, "nothing_of_the_kind")


def test_the_import_brings_nothing_heavy() -> None:
    script = f"import json, sys, palmette; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == []


def test_the_roots_of_all_errors_are_here() -> None:
    from palmette.grammar import errors as of_constraints
    from palmette.lang import errors as of_the_language
    from palmette.runtime import errors as of_the_runtime

    roots = (palmette.PalmetteError, palmette.EngineError, palmette.GrammarError)
    kinds = [
        kind
        for module in (of_constraints, of_the_language, of_the_runtime)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ]
    assert len(kinds) > 25
    assert all(issubclass(kind, roots) for kind in kinds)
