"""How fast an artifact is: latency, throughput, memory and size, beside the FP32 artifact of the same recipe.

Not how accurate it is: that is `exporter.evaluation`.
"""
