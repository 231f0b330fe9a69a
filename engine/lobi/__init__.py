"""Lo-Bi: LoRA-guided structured pruning and mixed-precision quantization, for the kernels of this machine.

After HOLA (arXiv 2506.18952). `adapt` and its neighbours learn (torch, transformers, peft: the extra `[lobi]`); what
they learn is a small adapter and a plan. `apply` makes a GGUF of them without torch, on any user's machine.
"""
