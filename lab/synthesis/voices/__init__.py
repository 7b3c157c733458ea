"""Speech for clips: sentences, voices, phone alignment, and sound that seems recorded."""
