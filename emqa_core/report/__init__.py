"""What a person is shown of a run: the figures chosen from its tables, and how they look on a terminal."""
