"""The engines an artifact is for: what they can take, and the last step before it is published.

Not how one runs here: that is `exporter.runtime`.
"""
