"""Where every way to start a command comes in: Ctrl-C is a word while modules are imported."""

from flashtalk.errors import end_at_ctrl_c

end_at_ctrl_c()

from flashtalk.cli.main import main

__all__ = ["main"]
