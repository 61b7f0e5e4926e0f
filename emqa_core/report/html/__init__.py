"""A run as one HTML file: what it holds, and how it is written."""
