"""`exporter advise`: which engine and precision to take on this machine, by building and measuring them."""
