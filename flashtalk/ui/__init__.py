"""Station 6 of the line: the page that a visitor sees, from a click to live video."""
