"""One person's geometry and textures: head shapes, meshes, rig, materials."""
