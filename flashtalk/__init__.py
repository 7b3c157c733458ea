"""FlashTalk: a portrait and a voice become a talking person, live; see ``flashtalk.engine``.

Importing the package changes nothing outside it. The commands let waiting threads sleep, which
makes them faster on shared cores. Other programs call :mod:`flashtalk.openmp` for the same.
"""

__version__ = "0.1.0"
