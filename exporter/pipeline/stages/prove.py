"""Whether the artifact is the network, and whether that sees anything."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exporter.proof.section import NotLooked, Proof, Sight


def proved(**given: Any) -> "Proof":
    """See `exporter.proof.prove.prove`, which gets what the stage was given."""
    from exporter.proof.prove import prove

    return prove(**given)


def looked(**given: Any) -> "Sight | NotLooked":
    """See `exporter.proof.sight.looked`, which gets what the stage was given."""
    from exporter.proof.sight import looked

    return looked(**given)
