"""From files to chunks: walk, extract (the parser process), chunk, journal."""
