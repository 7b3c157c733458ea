"""Single questions with an answer of their own: decoder, photographs, recordings."""
