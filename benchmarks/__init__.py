"""Side-by-side measurements against other evaluators; not part of the package or its tests."""
