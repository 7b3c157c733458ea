"""The commands serve, generate, bench and plan; ``options`` says what each takes."""
