"""How much of the machine an answer may take."""
