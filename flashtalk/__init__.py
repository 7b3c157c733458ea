"""FlashTalk: a portrait and a voice become a talking person, live; see ``flashtalk.engine``."""

__version__ = "0.1.0"
