"""Texts that are hard to read aloud, of every language that a test reads."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

__all__ = ["TEXTS", "requires"]

TEXTS = [
    "",
    " ",
    "?!...",
    "Hello, world.",
    "(Hello-World);   &  jr. & dr.",
    "Mr. and Mrs. Smith, Dr. St. John Co. Ltd. of Ft. Worth met Gen.co.st. Drs. Lee (Esq.)",
    "I have $250 in my pocket, $1.50 there, $0.01, $1, $0, $.75 and $1,234.56; not $1.2.3!",
    "In 1999, 2000, 2005, 1100, 2010, 2999 and 3000 it was 1,000,000 or 3.14159, 0.5 or 007.",
    "the 1st, 2nd, 3rd, 21st and 101st of 12,345th; 9th. 11st 50s 4 x 4",
    "It's \"quoted\", 'single', “curly” and ‘so’ — dash – and … dots <tag> [b] {c} a/b a_b",
    "naïve café Ångström œuvre Straße £5 €3 ½ x² №7 ™",
    "refuse to refuse the refuse; i.e. e.g. zyzzyva blorpington",
    "line one\nline two\r\n\ttab\u00a0nbsp\u200bzero",
    "😀 hello 👍🏽 世界 🇯🇵",
    "mixed 漢字とかな カタカナ ｶﾀｶﾅ ＡＢＣ１２３ 〜～ ― － −",
    "こんにちは。今日は、いい天気ですね？",
    "你好，世界！卡尔普陪外孙玩滑梯。女儿去学校，雪云月圆 300元。",
    "안녕하세요, 2024년 mp3 file 3개를 다운받고 있다! ㅋㅋ",
    "Xin chào, tôi khoẻ! Hoà bình, thủy, òa ÒA; 3.14 http://a.vn Mr. Tp. 12/3",
    "Halló heimur, það er gott",
    "Guten Tag! Wie spät ist es? 12 Uhr.",
    "HH AH0 L OW1   W ER1 L D",
    "HH  AH0 <noise> L <noise>s <space>",
    "3.5kg, 10% @home #1 C++ a=b 1-2 555-1234 1,2,3 ,1 1, .5 5.",
    "The quick brown fox number 42 jumps. " * 55,  # 2,035 characters
]


def requires(*modules: str) -> pytest.MarkDecorator:
    """Skip where a package is missing, without importing it."""
    missing = [module for module in modules if not find_spec(module)]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")
