"""How data goes through the house: plan, evaluate, combine, count, finalize, commit."""
