"""What the command prints: listings for people, plain dictionaries for programs."""
