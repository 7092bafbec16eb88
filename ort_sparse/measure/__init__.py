"""How long models and their layers take: engines side by side, and choosing by measuring."""
