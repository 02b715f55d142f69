"""The suite: tests that make stories, one module a family; run it through `cancel-conformance run` or pytest."""
