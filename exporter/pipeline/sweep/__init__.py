"""Sweeps: many builds of one command (`-m`), by any of Hydra's launchers, and the summary of them all."""
