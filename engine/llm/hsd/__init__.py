"""Hierarchical Speculative Decoding: drafts, the cost model that chooses among them, and their verification."""
