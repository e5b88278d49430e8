"""Artifacts in the words of the servers that run them, written from the manifest alone. Not run on a server."""
