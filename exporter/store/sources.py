"""Which source and which packages a stage runs: the modules of ours that its own import, directly or not.

Read from the text, not from what happens to be imported: an import inside a function counts, one for type checkers
does not. A result made by other source or other packages is another result. Templates and styles count with each module
that lies beside them.

The key of every build is made from this, so it has to be fast: only the import statements of a module are parsed (all
of it takes fifteen times as long), and distributions are not looked up in `importlib.metadata.packages_distributions`,
which reads half a second. A test holds both against the slow way.
"""

import ast
import hashlib
import importlib.metadata
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Distributions whose names are not those by which they are imported.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "google": "protobuf",
    "modelopt": "nvidia-modelopt",
}
# What a package computes with besides itself: torch writes ONNX with onnxscript.
BESIDE = {"torch": ("onnxscript", "onnx_ir"), "onnxscript": ("onnx_ir",)}

# These read words, write pages or talk to people: no result depends on them.
NO_MATTER = frozenset({"hydra", "omegaconf", "pydantic", "rich", "yaml"})

PAGES = (".css", ".html", ".js")

_IMPORT = re.compile(r"^ *((?:from [\w.]+ )?import (?:\([^)]*\)|[^\n]*))", re.MULTILINE)
_TYPES_ONLY = re.compile(r"^if TYPE_CHECKING:\n(?:(?:[ ]+[^\n]*)?\n)+", re.MULTILINE)


def sources(modules: Iterable[str]) -> dict[str, str]:
    """sha256 of the source, by the names of all modules of ours that these modules, of ours too, run."""
    return dict(_sources(tuple(modules)))


@cache
def _sources(modules: tuple[str, ...]) -> dict[str, str]:
    wanted, found = [name for name in modules if _is_ours(name)], {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name], imports = _read(name)
            wanted += [each for each in imports if _is_ours(each)]
    return dict(sorted(found.items()))


def packages(modules: Iterable[str]) -> dict[str, str]:
    """Versions, by distribution, of what these modules of ours import and is installed, and of Python."""
    names = {imported.partition(".")[0] for module in modules for imported in _read(module)[1]}
    names -= {"exporter", *sys.stdlib_module_names, *NO_MATTER}
    names |= {each for name in names for each in BESIDE.get(name, ())}
    found = {name: version for name in map(distribution, names) if (version := _version(name))}
    return dict(sorted(found.items())) | {"python": ".".join(map(str, sys.version_info[:2]))}


def distribution(package: str) -> str:
    """What brings a package that is imported by this name."""
    return DISTRIBUTIONS.get(package, package.replace("_", "-"))


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "exporter" and _file(name) is not None


@cache
def _file(name: str) -> Path | None:
    path = ROOT.joinpath(*name.split(".")[1:])
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


@cache
def _read(name: str) -> tuple[str, tuple[str, ...]]:
    """sha256 of a module of ours and of the pages beside it, and the names of all that it may import: `from a import b`
    is a, and a.b where that is a module."""
    file = _file(name)
    assert file is not None
    content = file.read_bytes()
    text = _TYPES_ONLY.sub("", content.decode())
    imports: list[str] = []
    for statement in ast.parse("\n".join(_IMPORT.findall(text))).body:
        if isinstance(statement, ast.ImportFrom):
            # The package's own front door imports all there is: of it, only what is named counts.
            front = [] if statement.module == "exporter" else [statement.module or ""]
            imports += [*front, *(f"{statement.module}.{each.name}" for each in statement.names)]
        elif isinstance(statement, ast.Import):
            imports += [each.name for each in statement.names]
    return hashlib.sha256(content + _pages(file.parent)).hexdigest(), tuple(dict.fromkeys(imports))


@cache
def _pages(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in sorted(folder.iterdir()) if each.suffix in PAGES)


@cache
def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
