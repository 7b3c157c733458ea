"""How good a talk is, in numbers: what was generated against what the speech asks for.

::

    held-out portrait + joined speech -> Engine -> frames -> reading -> measures -> JSON -> table
         talks.py                        run.py             reading.py measures.py         table.py
                                                            pictures.py sync.py

``validate.py`` applies the same chain to rendered clips, whose truth is known. No figure of a
generated talk means more than the error reported there.
"""
