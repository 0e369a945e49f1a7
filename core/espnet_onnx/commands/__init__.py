"""One module a command; each has `register(app)` and imports what is heavy when it runs."""
