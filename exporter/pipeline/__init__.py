"""How an artifact is made: the stages of a build and their order, one build, sweeps over many, and what they would do.

What a stage computes lies in the room of its group.
"""
