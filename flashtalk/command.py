"""``flashtalk``, the command of the package: the same as ``python -m flashtalk``."""

from flashtalk.errors import end_at_ctrl_c

end_at_ctrl_c()

from flashtalk.cli.main import main

__all__ = ["main"]
