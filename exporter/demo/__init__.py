"""A synthetic detection dataset and the detectors trained on it, so that the project works without downloads."""
