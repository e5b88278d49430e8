"""From an image to the network's input: what happens inside the graph and what outside, in numbers.

Not the resize in Python, which every room uses: that is `exporter.common.geometry`.
"""
