"""What a plan tells about its own operations: what earlier ones have made, and defined to run."""
