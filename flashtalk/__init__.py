"""FlashTalk: a portrait and a voice become a talking person, live; see ``flashtalk.engine``.

Importing the package changes nothing outside it. The commands let waiting threads sleep, which
makes them faster on shared cores; :mod:`flashtalk.openmp` does the same for other programs.
"""

__version__ = "0.1.0"
