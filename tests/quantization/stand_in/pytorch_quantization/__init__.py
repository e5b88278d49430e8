"""Stands in for NVIDIA's package, which is not on the public index: what its documentation names, as far as an exporter
can need it, and nothing else, so that any other name is an error. `calls` records what was asked for."""

calls: list[tuple] = []
