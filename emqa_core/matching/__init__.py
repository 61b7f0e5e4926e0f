"""Which prediction finds which label: protocols and outcomes."""
