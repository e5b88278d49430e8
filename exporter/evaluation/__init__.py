"""How accurate an artifact is, on labelled images: reading labels, and the score.

Not whether it is the network: that is `exporter.proof`.
"""
