"""The engine of Hola: everything but the window."""
