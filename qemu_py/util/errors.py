"""The error that is the user's to mend."""


class UserError(Exception):
    """One line that says what is wrong and how to put it right; no traceback is shown."""
