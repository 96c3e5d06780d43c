"""Policy enforcement points: one pipeline, many fronts."""
