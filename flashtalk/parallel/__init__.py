"""Several GPUs for one talk: the transformer's tokens are shared out over ranks, from outside.

One process per GPU (``torchrun``). Rank 0 has the page, the sessions and everything but a share of
the transformer; the others follow its calls. Above placement, below the engine. The forward is the
one of :mod:`flashtalk.models.dit.transformer`.
"""
