"""Shared numpy: search, CTC scores, tokenizers, recordings and results."""
