"""Tools for tests, demo and benchmarks; not part of the distribution."""
