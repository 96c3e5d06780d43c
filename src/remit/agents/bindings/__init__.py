"""What an agent's document may ask of what a running copy proves: one file a kind; `presets/` has the platforms."""
