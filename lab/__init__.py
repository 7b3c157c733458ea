"""What makes the weights of the embedded model and what judges them.

The product never imports it."""
