"""Trainings of both families: the embedded model's parts, and the transformer in two stages.

The embedded model is trained from nothing, in this order: ``speech`` (speech encoder),
``autoencoder`` and what refines it (``sharpening``, ``teeth``, ``reader``), ``stage1``
(transformer, flow matching), ``stage2`` (self-correcting distillation to few steps). A published
checkpoint, such as the 14B, comes with its encoders: ``stage1 --weights`` and ``stage2 --weights``
begin with it.

Each is an entry point (``python -m lab.training.NAME``) that resumes from its newest
checkpoint and can be stopped at any time; ``.export`` makes a folder of weights of what they leave,
and ``.reopen`` makes of such a folder what ``--init`` begins with.
"""
