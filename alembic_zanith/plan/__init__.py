"""What is pending: recorded scripts, as values."""
