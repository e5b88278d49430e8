"""Two artifacts side by side: what was asked for, what the files are, and what was measured on them."""
