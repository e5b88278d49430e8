"""How detections leave the graph: one node a file."""
