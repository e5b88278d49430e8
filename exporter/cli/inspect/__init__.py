"""What a file of weights is, said before anything is built from it."""
