"""Everything that stays fixed during a session, gathered in one frozen :class:`Conditions`.

Station 2 of the line, after the inputs and before the chunk loop. The portrait's guidance, latents
and colors are computed once here. Speech, the only condition that changes, is cut by ``speech``.
"""

from flashtalk.conditions.gather import Conditions, conditions_of, gather_conditions

__all__ = ["Conditions", "conditions_of", "gather_conditions"]
