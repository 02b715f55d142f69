"""The target: its profile, the way to speak to it, ways to bring its tasks into states, and what that may cost."""
