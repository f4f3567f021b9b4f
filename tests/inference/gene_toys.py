"""Genes that drive parameters through two latent dimensions, and the public tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hpcsim.inference.reduced_rank.genes import MARKERS, chosen_genes, log_expression, matched, read_counts, read_table

#: Of twenty genes these three matter.
TRUE = ("g3", "g8", "g15")


def toy(n: int = 300, noise: float = 0.5, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Expression of 20 genes and 5 parameters, of which 3 genes explain some."""
    rng = np.random.default_rng(seed)
    cells = [f"c{k}" for k in range(n)]
    x = pd.DataFrame(rng.normal(5, 2, (n, 20)), cells, [f"g{k}" for k in range(20)])
    latent = ((x[list(TRUE)] - 5) / 2).to_numpy() @ [[1.0, 0.2], [-0.5, 1.0], [0.8, 0.6]]
    weights = np.array([[1.0, 0.5, -0.5, 0.2, 0.0], [0.0, 0.8, 0.6, -1.0, 0.1]])
    y = 10 + 3 * (latent @ weights + noise * rng.normal(size=(n, 5)))
    return x, pd.DataFrame(y, cells, ["gNa", "gK", "gL", "tau", "E"])


def public(folder: Path, names: str = "ion_channel_genes_go.csv") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Expression of ion-channel and marker genes, and the 13 MAP parameters, of 942 cells."""
    parameters = read_table(folder / "m1_map_2d.csv").iloc[:, :13]
    counts, parameters, _ = matched(read_counts(folder / "m1_gene_counts.npz"), parameters, 900)
    genes = chosen_genes(counts, {*read_table(folder / names).index, *MARKERS})
    return log_expression(counts)[genes], parameters
