"""Which of the network's boxes are detections: one node a file."""
