"""Load: many users at once tell lawful lives and races with locust, and every history is judged by the same checks."""
