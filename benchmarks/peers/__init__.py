"""Latency of networks in other engines and in ort_sparse, each engine in a process of its own."""
