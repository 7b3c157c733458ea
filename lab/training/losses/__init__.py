"""Loss functions of the trainings; pure where they need no network."""
