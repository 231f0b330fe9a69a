"""The library process: embed, store, hybrid search, and the index job between searches."""
