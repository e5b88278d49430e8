"""From the overrides of a command line to a checked recipe: composition (Hydra), checks, and the JSON schema of
recipes.

Nothing heavy is imported, and nothing is built.
"""
