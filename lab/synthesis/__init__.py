"""Synthetic training data: speech, motion, heads, renderer, clip factory.

    speech, phones, curves, motion -> performance      what a face does and says
    assets, mesh, face_shape, identity, library -> rig who it is, as geometry
    textures, materials, shaders, renderer -> person   how it is drawn
    performance, person, lighting, camera -> clip      pictures and labels of one clip
    factory, __main__, gallery                         many clips, resumable; the gallery's stills

Nothing here is needed to run FlashTalk; it makes what the embedded model is trained on.
"""
