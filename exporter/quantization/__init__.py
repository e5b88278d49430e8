"""Which precision a network computes in, and what that takes: statistics, placement, arithmetic."""
