"""Station 5 of the line: frames and sound → playable fragments → a finished recording."""
