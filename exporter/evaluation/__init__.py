"""How accurate an artifact is."""
