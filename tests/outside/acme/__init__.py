"""A package of somebody else's: one option for a group each, in a module of its own, and its YAML below conf/."""
