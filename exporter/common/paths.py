"""Where configurations and recipes lie: in a wheel, in a checkout, in the working directory."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# An installed wheel carries both folders inside the package, a checkout has them beside it.
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent / "conf"
RECIPES = PACKAGE / "recipes" if (PACKAGE / "recipes").is_dir() else PACKAGE.parent / "recipes"


def recipe_files() -> dict[str, list[Path]]:
    """Every recipe by name: those that ship, then those in `./recipes`. One file met twice, as in a checkout, counts
    once; two files of one name stand both in the list."""
    files: dict[str, list[Path]] = {}
    for place in (RECIPES, Path.cwd() / "recipes"):
        for path in sorted(place.glob("*.yaml")) if place.is_dir() else []:
            known = files.setdefault(path.stem, [])
            if not any(path.samefile(other) for other in known):
                known.append(path)
    return files
