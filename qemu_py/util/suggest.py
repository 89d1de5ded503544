"""The nearest of the names that there are, for messages about one that there is not."""
MOST = 3                                # names in a message
NEAR = 0.6                              # difflib's ratio


def nearest(word, names):
    """At most MOST of `names`, the best first: other upper and lower case, few letters different, or a longer one."""
    from difflib import SequenceMatcher         # here: a start without mistakes does not wait for it
    by_lower = {name.lower(): name for name in names}
    word = word.lower()
    if word in by_lower:
        return [by_lower[word]]
    alike = {name: SequenceMatcher(None, word, name).ratio() for name in by_lower}
    found = [name for name in by_lower if alike[name] >= NEAR or len(word) > 1 and name.startswith(word)]
    return [by_lower[name] for name in sorted(found, key=alike.get, reverse=True)[:MOST]]


def did_you_mean(word, names, before=""):
    """"; did you mean a or b?", or "" when none is near. `before` is what precedes each name, such as a dash."""
    found = [before + name for name in nearest(word, names)]
    return f"; did you mean {', '.join(found[:-1]) + ' or ' if found[1:] else ''}{found[-1]}?" if found else ""


def no_such(kind, word, names, lists_them=""):
    """"there is no KIND 'word'; did you mean ...? (there are: ...)". lists_them: what shows the names, where they are many."""
    known = lists_them or f"there are: {', '.join(names) or 'none'}"
    return f"there is no {kind} '{word}'{did_you_mean(word, names)} ({known})"
