"""The proof that an artifact is the network: what is compared, within which bounds, and what is said of it.

Not what it is worth on the user's images: that is `exporter.evaluation`.
"""
