"""Synthetic training data: speech, motion, heads, renderer, clip factory.

    speech, phones, curves, motion -> performance   what a face does and says
    assets, mesh, face_shape, identity -> rig        who it is, as geometry
    lighting, camera, textures, renderer -> clip     pictures and labels of one clip
    factory, __main__                                many clips, resumable

Nothing here is needed to run FlashTalk; it makes what the embedded model is trained on.
"""
