"""Trainings of both families: the embedded model's parts, and the transformer in two stages.

``tiny`` trains the embedded model from nothing: ``speech_encoder``, ``landmarks``, ``autoencoder``
and what refines it (``sharpening``, ``teeth``), ``stage1`` (transformer, flow matching). ``stage1``
trains the transformer of a published checkpoint, such as the 14B, which comes with its encoders.
``stage2`` is the self-correcting distillation of either to few steps. ``recipes`` has their
settings, and ``lab/runs`` the scripts.

Each training is an entry point (``python -m lab.training.NAME``) that resumes from its newest
checkpoint and can be stopped at any time. ``checkpoints.export`` makes a folder of weights of what
they leave. ``checkpoints.import_checkpoint`` makes of such a folder what ``--init`` begins with.
"""
