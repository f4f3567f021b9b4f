"""A neuron in the format of reconstructions, in place of one that has no licence to pass on."""

from __future__ import annotations

ASC = """("Cell Body" (Color Red) (CellBody)
  (0 -10 0 0.1) (10 0 0 0.1) (0 10 0 0.1) (-10 0 0 0.1))
((Color Blue) (Apical)
  (0 10 0 4) (0 210 0 3)
  ((0 210 0 2) (60 290 0 1) Normal | (0 210 0 2) (-60 290 0 1) Normal))
((Color Green) (Dendrite)
  (0 -10 0 2) (0 -110 0 1) Normal)
"""
