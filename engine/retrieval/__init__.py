"""Whether and what the model reads from the library, and what its answer rests on."""
