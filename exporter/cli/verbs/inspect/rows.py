"""How a line of `exporter inspect` looks."""


def row(title: str, text: str) -> str:
    """The title in a column of its own."""
    return f"  {title:<15} {text}"
