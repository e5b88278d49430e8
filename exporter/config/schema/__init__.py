"""`exporter schema`: what a recipe may say, as a JSON schema, from the nodes and the files in conf/ themselves."""
