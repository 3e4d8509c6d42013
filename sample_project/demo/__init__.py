"""The demo: `python -m sample_project.demo`."""
