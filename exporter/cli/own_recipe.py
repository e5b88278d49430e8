"""A recipe that a verb writes into ./recipes."""

from pathlib import Path

FOLDER = Path("recipes")


def check_free(name: str, flag: str) -> None:
    """Raises RequestError where there is a recipe of that name, here or among those that ship, or where it is no name.
    flag: what gave it, for messages."""
    from exporter.common.errors import RequestError
    from exporter.common.paths import recipe_files
    from exporter.config.recipe_file import NAME

    if not NAME.fullmatch(name):
        raise RequestError(f"{flag} {name}: a recipe's name has letters a to z, digits, . _ and -")
    if files := recipe_files().get(name):
        raise RequestError(f"{flag} {name}: {files[0]} is there already: give another name")


def write_recipe(name: str, text: str, flag: str) -> Path:
    """The file. Raises as `check_free`, and BuildError where it cannot be written."""
    from exporter.common.errors import BuildError
    from exporter.common.files import write_whole

    check_free(name, flag)
    target = FOLDER / f"{name}.yaml"
    try:
        FOLDER.mkdir(exist_ok=True)
        write_whole(target, text.encode())
    except OSError as error:
        raise BuildError(f"{flag} {name}: {error.strerror}: {target} was not written") from error
    return target
