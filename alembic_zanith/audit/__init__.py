"""What has run: recorded while it runs, read afterwards."""
