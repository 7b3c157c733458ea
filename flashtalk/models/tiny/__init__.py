"""The embedded family: everything that only flashtalk-tiny has.

Codes: ``face_code`` says what latents mean, ``feature_state`` reads mouths and eyes out of them.
Encoding: ``landmarks`` and ``landmark_refiner`` read faces, ``matching`` and ``flow_guess`` guess
flow, ``registration`` makes it exact. Decoding: ``decoder`` warps the portrait, ``painter`` draws
``crops`` by ``opening`` and ``textures``. ``guidance`` is what is known of a portrait:
``confidence``, ``tone``, ``shut_mouth`` and ``covered_mouth`` meet what no render has.
"""
