"""The one exception that a person may read: raised at the boundaries, shown as it is.

Sits below everything. Inner functions trust their callers; code that meets the outside world
(files, pictures, sound, configuration, weights, devices) raises :class:`FlashTalkError` with a
sentence that says what was got, what is expected and what to do. Page and shell print it alone.
"""


class FlashTalkError(ValueError):
    """A problem the user can mend; ``str(error)`` is a complete sentence for page or shell."""
