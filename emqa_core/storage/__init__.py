"""Locations, the parts of tables, the commit of a run, and reading runs back."""
