"""The help page and the list of recipes, from the files themselves: nothing is composed or imported for them."""

from pathlib import Path

from exporter.common.errors import BuildError, RequestError
from exporter.common.files import TEXT_BYTES, check_file, write_whole
from exporter.common.paths import CONF, recipe_files

USAGE = """\
Turns a detector into an ONNX artifact with pre-processing, NMS and precision inside, and proves it is the same model.

  exporter +recipe=NAME [key=value …]     build; writes outputs/NAME/
  exporter model=NAME [key=value …]       build without a recipe
  exporter -m key=a,b …                   build every combination
  exporter recipes [--copy NAME]          list the recipes; copy one into ./recipes to start from
  exporter inspect FILE                   what a checkpoint holds: network, classes, pre-processing; and how to build it
  exporter verify DIR [--key PUBLIC_KEY]  check an artifact against its manifest, and who signed it
  exporter sign DIR --key PRIVATE_KEY     sign it: Ed25519 over the digests of all its files
  exporter plan [-m] +recipe=NAME …       what a build or a sweep would do, and how long that takes
  exporter explain DIR                    why each stage of its build ran, or did not
  exporter store ls|gc|clear              what builds keep for the next ones
  exporter rebuild DIR [--weights FILE]   build it again from its manifest alone and compare the bytes
  exporter diff A B [--all] [--json]      two artifacts side by side: what was asked for, graph, sizes, figures
  exporter schema                         a JSON schema of recipes, for editors to complete and check them
  exporter predict DIR IMAGE… --out DIR   run an artifact on pictures
  exporter snippet DIR [--language cpp]   a short program that runs this artifact, in Python or C++
  exporter evaluate DIR [--yolo FILE …]   mAP of an artifact on demo scenes, or on your labelled pictures
  exporter benchmark DIR… [--engine all]  time of each artifact, in each engine, against the first, interleaved
  exporter advise +recipe=NAME …          which engine and precision to take on this machine, measured
  exporter lint DIR_OR_FILE [--json]      what TensorRT will not take, in any ONNX file
  exporter engine DIR [--commands]        build and prove its TensorRT engine here, or say how trtexec does
  exporter triton DIR --out REPOSITORY    write a model repository for Triton Inference Server
  exporter deepstream DIR --out FOLDER    write a configuration for DeepStream's nvinfer
  exporter +recipe=NAME --cfg job         show the composed configuration and build nothing
"""


def summary(path: Path) -> str:
    """A recipe's first line of comment that is not for Hydra or an editor."""
    for line in _lines(path):
        text = line.lstrip("#").strip()
        if line.startswith("#") and text and not text.startswith(("@package", "yaml-language-server:")):
            return text
        if line and not line.startswith("#"):
            break
    return "(no description: its first comment line would stand here)"


def _lines(path: Path) -> list[str]:
    """Of a file that may be anybody's: a terminal is going to read them."""
    try:
        check_file(path, "", TEXT_BYTES)
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError, RequestError) as error:
        lines = [f"# unreadable: {error}"]
    return ["".join(filter(str.isprintable, line)) for line in lines]


def print_recipes() -> None:
    """Each recipe with a line of what it is; a name that exists twice is shown with its files."""
    files = recipe_files()
    width = max((len(name) for name in files), default=0) + 2
    for name, paths in sorted(files.items()):
        twice = f"  (also in {paths[1]}: rename one)" if len(paths) > 1 else ""
        print(f"  {name:<{width}}{summary(paths[0])}{twice}")


def print_help() -> None:
    """Usage, groups with their options, recipes."""
    print(USAGE)
    print("Groups, chosen with group=option; `--cfg job` shows their keys:")
    groups = sorted({path.parent for path in CONF.rglob("*.yaml")} - {CONF})
    for folder in groups:
        options = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        print(f"  {folder.relative_to(CONF).as_posix():<24}{options}")
    print("\nRecipes:")
    print_recipes()
    print("\nPaths with spaces or , = ( ) { } work as they are in output_dir, *.path and model.weights.")


def copy_recipe(name: str) -> Path:
    """Copies a recipe into ./recipes under the same name with `my_` before it. Raises RequestError where it cannot."""
    from exporter.config.former_recipes import no_such_recipe

    files = recipe_files()
    if name not in files:
        raise RequestError(f"recipes --copy {name}: {no_such_recipe(name, list(files))}")
    target = Path("recipes") / f"my_{name}.yaml"
    if target.exists():
        raise RequestError(f"recipes --copy {name}: {target} is there already: remove it first")
    text = files[name][0].read_text(encoding="utf-8").replace(f"+recipe={name}", f"+recipe=my_{name}")
    try:
        target.parent.mkdir(exist_ok=True)
        write_whole(target, text.encode())
    except OSError as error:
        raise BuildError(f"recipes --copy {name}: {error.strerror}: {target} was not written") from error
    return target
