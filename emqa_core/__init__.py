"""emqa."""
