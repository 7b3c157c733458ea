"""What says that a video is AI-generated: visible mark, watermark, content credentials."""
