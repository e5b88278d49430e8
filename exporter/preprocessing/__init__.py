"""From a picture to the network's input: what happens inside the graph and what outside, in numbers."""
