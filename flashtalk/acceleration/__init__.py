"""What makes the same networks faster: applied from outside, each with an off switch.

Above placement, below the engine. :mod:`flashtalk.acceleration.settings` says what there is and
needs no PyTorch. :mod:`flashtalk.acceleration.apply` changes networks, in a fixed order. Every
technique is a small module of its own, and a test compares each with the plain path.
"""
