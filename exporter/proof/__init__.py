"""The proof that the artifact is the network."""
