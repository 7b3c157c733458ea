"""The video diffusion transformer, in the published checkpoint's architecture and names."""
