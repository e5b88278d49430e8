"""Finished artifacts on the disk, timed in turn: what `exporter benchmark` and `exporter advise` compare.

How a run is timed is in `exporter.benchmark`.
"""
