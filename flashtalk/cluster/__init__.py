"""Many machines for one page: workers, each an actor of Ray with an engine of its own.

The page's process has no weights. It sends each talk to one worker, where it stays, and streams its
pieces back. Everything here fulfills :mod:`flashtalk.stream.contracts`. Nothing else imports Ray,
which is the extra "cluster".
"""
