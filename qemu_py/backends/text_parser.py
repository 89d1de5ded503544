"""A byte stream for a terminal as texts, control characters and sequences (ECMA-48, 5; UTF-8).

Sans-IO. Tokens are tuples (kind, ...):
    ("text", string)            printable characters
    ("control", character)      C0
    ("escape", string)          what follows ESC
    ("csi", final, prefix, parameters)      prefix: one of ? > = or ""; final with its intermediate characters; parameters: numbers
Strings for the terminal (OSC, DCS, APC, PM, SOS) are swallowed, as is what makes no sense.
"""
import codecs
import re

LONGEST = 4096                          # characters of a sequence; one that does not end is none
TOKEN = re.compile(
    "(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    "|\x1b\\[(?P<prefix>[?>=<]?)(?P<parameters>[0-9;:]*)(?P<final>[ -/]*[@-~])"
    "|\x1b[\\]PX^_](?:[^\x07\x1b]|\x1b(?!\\\\))*?(?:\x07|\x1b\\\\)"
    "|\x1b(?P<escape>[ -/]*[0-OQ-WYZ\\\\`-~])"
    "|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
    "|(?P<c1>[\x80-\x9f])", re.S)
UNFINISHED = re.compile("\x1b(?:\\[[?>=<]?[0-9;:]*[ -/]*|[\\]PX^_].*|[ -/]*)?\\Z", re.S)
MOST = 9999                             # as large as a number in a sequence may be


class TextParser:
    def __init__(self):
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.waiting = ""

    def feed(self, data):
        """The tokens that these bytes complete."""
        text = self.waiting + self.decoder.decode(data)
        self.waiting = ""
        at = 0
        while at < len(text):
            found = TOKEN.match(text, at)
            if found is None:
                if UNFINISHED.match(text, at) and len(text) - at < LONGEST:
                    self.waiting = text[at:]
                    return
                at += 1                 # an ESC that begins nothing
                continue
            at = found.end()
            kind = found.lastgroup
            if kind == "final":
                parameters = [min(int(word), MOST) if word.isdigit() else 0
                              for word in found["parameters"].replace(":", ";").split(";")] if found["parameters"] else []
                yield "csi", found["final"], found["prefix"], parameters
            elif kind in ("text", "control", "escape"):
                yield kind, found[kind]
