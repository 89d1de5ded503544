"""Words in columns, as ls shows them."""


def columns(words, width):
    """Lines, each ended by a newline; the words go down the columns."""
    widest = max(map(len, words), default=0) + 2
    across = max(1, width // widest)
    height = -(-len(words) // across)
    return "".join("".join(f"{word:<{widest}}" for word in words[row::height]).rstrip() + "\n" for row in range(height))
