"""The tables in the READMEs, filled again by anyone: `python -m tests.tables TABLE`.

Where each stands: precision in exporter/quantization/README.md, matrix in exporter/proof/, tensorrt, compiled and gpu
in exporter/backend/, sweep in exporter/pipeline/, engines and peers in exporter/benchmark/, nms in exporter/postprocessing/,
consumers in exporter/deploy/. conf/README.md is written by `python -m tests.tables.reference`.

A table's rows are builds, each in a process of its own as the command line would make it. What was measured goes into
a file line by line, so that a table which was interrupted goes on where it was.
"""
