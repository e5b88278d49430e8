"""The manifest's sections on the engine that an artifact is for."""

from exporter.common.section import Section


class Profile(Section):
    """Shapes of the input that an engine is built for: the least, the one it is tuned for, the most."""

    min: list[int]
    opt: list[int]
    max: list[int]


class Backend(Section):
    """The engine the artifact is for; `verified` says where it was run. `build_flags`: by version of an engine that is
    built first, what its builder has to be told; versions that are not there cannot take the artifact. `profile`: for
    such an engine, where the input's shape is free. `settings`: what a program has to tell the engine so that it
    computes as it did in the proof."""

    name: str
    minimum_version: str
    verified: str
    profile: Profile | None = None
    build_flags: dict[str, list[str]] = {}  # noqa: RUF012 - pydantic copies it
    settings: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it
