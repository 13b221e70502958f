"""The tree as ARCHITECTURE.md describes it: who may import whom, no circles, nothing missing from the wheel."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("lang", "grammar", "kernels", "runtime")

# Of the language, the runtime may see the port, and what `Engine.generate` shares with `gen`.
PORT = {"ir", "events", "backend", "sampling_params", "plan", "terms", "wire"}
SHARED_FACE = {"arguments", "meta_info"}
# The command line is the top of the house: it loads programs of the language and makes an engine to run them on.
TOP = ("runtime.cli", "runtime.commands")


def modules() -> dict[str, Path]:
    """Every module of the package by its name below `palmette`."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(name: str, path: Path) -> Iterator[str]:
    """The modules of ours that a module imports, wherever in the file the import stands."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            yield ".".join([*base, *(node.module or "").split(".")]).rstrip(".")
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            for each in names:
                assert not each.startswith("palmette"), f"{path}: imports inside the package are relative, got {each}"


def is_top(name: str) -> bool:
    return any(name == top or name.startswith(f"{top}.") for top in TOP)


def is_allowed(importer: str, imported: str) -> bool:
    source, target = importer.split(".")[0], imported.split(".")
    if source == target[0]:
        return True
    if is_top(importer):
        return True
    if source == "runtime" and target[0] == "lang":
        has_face = importer in ("runtime.generate_arguments", "runtime.generate_outputs")
        allowed = PORT | (SHARED_FACE if has_face else set())
        return len(target) > 1 and target[1] in allowed
    if source == "runtime":
        return target[0] in ("grammar", "kernels")
    # The front of the grammar: plain Python that says what a constraint is; nothing of how one is enforced.
    return source == "lang" and imported in {
        f"grammar.{name}" for name in ("spec", "errors", "notations.regex", "types.value_type", "types.type_errors")
    }


def test_imports_point_down() -> None:
    known = modules()
    wrong = [
        f"{name} -> {imported}"
        for name, path in known.items()
        for imported in imports_of(name, path)
        if not is_allowed(name, imported)
    ]
    assert not wrong, wrong


def test_nothing_imports_the_top() -> None:
    wrong = [
        name
        for name, path in modules().items()
        for imported in imports_of(name, path)
        if is_top(imported) and not is_top(name)
    ]
    assert not wrong, wrong


def test_there_are_no_circles() -> None:
    known = modules()
    arrows = {name: {each for each in imports_of(name, path) if each in known} for name, path in known.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"a circle: {' -> '.join([*trail[trail.index(name) :], name])}"
        if name not in done:
            for each in sorted(arrows[name] - {name}):
                visit(each, (*trail, name))
            done.add(name)

    for name in known:
        visit(name, ())


def test_every_folder_is_in_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"])
    holding = {path.parent for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    holding |= {path.parent for path in (ROOT / "runtime" / "models").rglob("config.json")}
    assert listed == {"palmette"} | {"palmette." + ".".join(path.relative_to(ROOT).parts) for path in holding}


def test_every_file_that_is_no_module_is_in_the_wheel() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    missing = [
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
        if not any(
            path.match(pattern)
            for pattern in tools["package-data"].get(".".join(("palmette", *path.parent.relative_to(ROOT).parts)), ())
        )
    ]
    assert not missing, missing
    for package, patterns in tools["package-data"].items():
        folder = ROOT.joinpath(*package.split(".")[1:])
        assert not [pattern for pattern in patterns if not list(folder.glob(pattern))], package


def test_every_module_says_what_it_holds() -> None:
    for name, path in modules().items():
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert docstring, f"{name} does not open with a sentence that says what it holds"
        first_line = docstring.splitlines()[0]
        assert first_line.endswith((".", ":")), (
            f"{name}: the first line of its docstring is no sentence: {first_line!r}"
        )


def test_packages_define_nothing() -> None:
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("__init__.py"):
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert len(body) == 1, f"{path} holds more than its docstring"
