"""OpenGL renderer of heads: context, shaders, cameras, light, and one person drawn."""
