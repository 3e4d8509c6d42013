"""Rendering of values for people (rich) and for programs (JSON); never a connection."""
