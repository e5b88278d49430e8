"""A synthetic detection dataset and the weights trained on it, so that the project works without downloads.

Not their training, which is a tool below tests/.
"""
