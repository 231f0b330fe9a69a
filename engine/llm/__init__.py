"""The language model: preflight, chat template, prefill with prefix reuse, decode, in a process of its own."""

import os

# llama.cpp's threads meet at a barrier about a thousand times per token. Where they spin there (OpenMP's default) and
# another program holds one of the cores, each barrier costs a time slice: decoding fell from 120 to 0.5 tokens/s. Where
# they sleep it fell to 60. The policy is read when the OpenMP library is loaded, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
