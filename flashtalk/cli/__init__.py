"""The commands serve, generate, verify, bench and plan; ``options`` says what each takes."""
