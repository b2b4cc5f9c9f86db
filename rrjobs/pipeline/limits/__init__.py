"""Who may run now: limits of pipelines, workers kept free, and waiting that lifts priority."""
