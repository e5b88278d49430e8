"""The engines that run an artifact on this machine, behind one interface: see `exporter.runtime.engine`."""
