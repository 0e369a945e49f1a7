"""Text to token ids, as the preprocessor of ESPnet's text-to-speech tasks computes them.

Cleaners, then grapheme to phoneme or another tokenizer, then the token list. What a language needs
beyond the standard library is an extra, imported at the first text that asks for it.
"""

from .cleaners import CLEANERS
from .g2p import G2P_CHOICES
from .text_to_tokens import TextTokens, TextToTokens

__all__ = ["CLEANERS", "G2P_CHOICES", "TextToTokens", "TextTokens"]
