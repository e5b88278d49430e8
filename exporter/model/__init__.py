"""The networks, their weights, and what is known of them: from a checkpoint, a graph, code of the user's or memory.

Not what they are fed: that is `exporter.preprocessing`.
"""
