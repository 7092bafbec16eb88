"""What makes a release; `make wheels` runs it."""
