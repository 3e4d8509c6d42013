"""What a plan has to pass before it runs."""
