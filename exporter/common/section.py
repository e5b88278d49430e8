"""The base of the manifest's sections, and those that belong to no group."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Section(BaseModel):
    """Base of the sections: what is not known to this version is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _in_the_folder(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or not name.isprintable():
        raise ValueError("must be the name of a file beside the manifest")
    return name


FileName = Annotated[str, AfterValidator(_in_the_folder)]


class StoredFile(Section):
    """A file beside the manifest."""

    file: FileName
    sha256: str
    bytes: int


class Tensor(Section):
    """An input or output of the graph; a string in `shape` names a dimension that is free."""

    name: str
    dtype: str
    shape: list[int | str]
    meaning: str
