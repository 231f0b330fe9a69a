"""The language model: preflight, chat template, prefill with prefix reuse, decode, in a process of its own."""

import os

# llama.cpp's threads meet at a barrier about a thousand times per token. Where they spin there for long (OpenMP's
# default) and another program holds one of the cores, each barrier costs a time slice: beside one busy program decoding
# fell from 125 to 31 tokens/s, and beside two to 0.5. Sleeping at once costs half the rate of an idle machine (48).
# A short spin has both: 130 idle, 50 beside a busy program. The count is read when libgomp is loaded, hence here.
os.environ.setdefault("GOMP_SPINCOUNT", "300")
