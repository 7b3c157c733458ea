"""The commands, one module each: ``main.COMMANDS`` lists them, ``options`` says what each takes."""
