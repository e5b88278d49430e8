"""Which precision a network computes in, and what that takes: statistics, placement of Q/DQ, arithmetic.

Not where calibration images come from: that is `exporter.calibration`.
"""
