"""The commands: generate, bench, plan."""
