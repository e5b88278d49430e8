"""The engines that run an artifact on this machine, behind one interface: see `exporter.runtime.engine`.

Not what an engine takes or an artifact is built for: that is `exporter.backend`.
"""
