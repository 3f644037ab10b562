"""The page's words in Chinese, by the English that stands in the code."""

CHINESE: dict[str, str] = {}
