"""What `hola bench` measures: each module has a `run` that returns a dictionary for JSON."""
