"""One builder for each family of networks."""
