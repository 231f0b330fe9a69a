"""The language model: preflight, chat template, prefill with prefix reuse, decode, in a process of its own."""
