"""How the demo weights were trained; not part of the package."""
