"""`exporter snippet`: a short program for one artifact, in a language of its user's."""
