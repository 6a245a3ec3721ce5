"""Commands of contributors that are not tests: build, lock, lint what has no linter of its own."""
