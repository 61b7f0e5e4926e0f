"""States that add: small summaries of a partition from which every number is computed."""
