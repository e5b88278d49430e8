"""The networks, their weights, and what the exporter knows of them."""
