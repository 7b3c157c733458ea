"""The networks: ``nn.Module`` classes only, without session state and without files."""
