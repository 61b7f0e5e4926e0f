"""From states to numbers."""
