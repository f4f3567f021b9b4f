"""Public tables in plain formats, made of the files that their authors have published."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.data.pickled_table import read_pickled_table

if TYPE_CHECKING:
    from pandas import DataFrame

#: Columns of the statistics in the tables that are made here, and what the authors call them.
_STATISTICS = {
    "ap1_threshold_mV": "AP threshold",
    "ap1_amplitude_mV": "AP amplitude",
    "ap1_width_ms": "AP width",
    "ap1_ahp_mV": "AHP",
    "ap3_threshold_mV": "3rd AP threshold",
    "ap3_amplitude_mV": "3rd AP amplitude",
    "ap3_width_ms": "3rd AP width",
    "ap3_ahp_mV": "3rd AHP",
    "log_count_p3": "AP count",
    "log_count_1st8th_p3": "AP count 1st 8th",
    "log_count_1st4th_p3": "AP count 1st quarter",
    "log_count_1sthalf_p3": "AP count 1st half",
    "log_count_2ndhalf_p3": "AP count 2nd half",
    "log_amp_adapt": "AP amp adapt",
    "sigm_amp_adapt_avg": "AP average amp adapt",
    "log_ap_cv": "AP CV",
    "log_isi_adapt": "ISI adapt",
    "log_isi_cv": "ISI CV",
    "log_latency_p0.4_ms": "latency",
    "rest_vm_mean_mV": "rest $V_{m}$ mean",
    "vm_mean_mV": "$V_{m}$ mean",
    # a variance, whatever its name
    "vm_var_mV2": "$V_{m}$ std",
    "vm_skewness": "$V_{m}$ skewness",
}
_M1 = _STATISTICS | {"Vi_mV": "Vi", "area_1comp_um2": "1-comp area", "R_input_MOhm": "R_input", "tau_prespike_ms": "tau"}
#: Columns of the table of cells.
_CELLS = {
    "rna_family": "RNA family",
    "rna_type": "RNA type",
    "cre": "Cre",
    "layer": "Targeted layer",
    "mouse": "Mouse",
    "mouse_age_days": "Mouse age",
    "soma_depth_um": "Soma depth (µm)",
}
#: Markers of interneurons; they stay in the regression beside the ion-channel genes.
_MARKERS = ("Lamp5", "Pvalb", "Sst", "Vip")


def _m1_features(features: Path, cells: Path, entropies: Path, embedding: Path) -> bytes:
    """23 statistics of 1033 cells of motor cortex, what is known of each, and what was published for the 955 with an RNA type."""
    import pandas

    table = read_pickled_table(features, "X_o")[list(_M1.values())]
    about = pandas.read_csv(cells, sep="\t", index_col="Cell").reindex(table.index)
    typed = about["RNA type"].notna()
    table.columns = list(_M1)
    table.insert(0, "in_955", typed.astype(int))
    for column, original in _CELLS.items():
        table[column] = about[original]
    with np.load(entropies, allow_pickle=False) as entropy, np.load(embedding, allow_pickle=False) as coordinates:
        table.loc[typed, "npen_entropy_nats"] = entropy["entropy"]
        table.loc[typed, ["tsne_1", "tsne_2"]] = coordinates["coord"]
    return _csv(table)


def _v1_features(features: Path) -> bytes:
    """23 statistics of 4107 cells of visual cortex, and the current of each in pA."""
    originals = _STATISTICS | {"I": "Current"}
    table = read_pickled_table(features, "X_o")[list(originals.values())]
    table.columns = list(originals)
    return _csv(table)


def _m1_counts(counts: Path, features: Path, ion_channels: Path) -> bytes:
    """Reads of 1000 genes in the cells that have both an RNA type and counts, as arrays."""
    import pandas

    table = pandas.read_csv(counts, index_col=0)
    table.columns = [re.sub(r"^(\d{8})sample(\d+)$", r"\1_sample_\2", str(name)) for name in table.columns]
    cells = pandas.read_csv(features, index_col=0, usecols=["cell", "in_955"])
    names = [name for name in cells.index[cells["in_955"] == 1] if name in table.columns]
    genes = table.index.tolist()
    content = io.BytesIO()
    np.savez(
        content,
        counts=table[names].T.to_numpy(np.int32),
        cells=np.array(names, "U24"),
        genes=np.array(genes, "U24"),
        is_ion_channel_go=np.isin(genes, ion_channels.read_text(encoding="utf-8").split("\n")[1:]),
        is_marker=np.isin(genes, _MARKERS),
    )
    return content.getvalue()


def _ion_channel_genes(terms: Path) -> bytes:
    """The genes that the Gene Ontology knows as those of ion channels."""
    import pandas

    # lines end in a tab
    symbols = pandas.read_csv(terms, sep="\t", index_col=False, usecols=["Symbol"])["Symbol"]
    return "\n".join(["gene", *sorted(set(symbols)), ""]).encode()


def _csv(table: DataFrame) -> bytes:
    return str(table.to_csv(index_label="cell", float_format="%.9g", lineterminator="\n")).encode()


#: Contents of public files by name, as functions of the paths of their originals.
CONVERSIONS: dict[str, Callable[..., bytes]] = {
    "bernaerts2025/m1_observed_features.csv": _m1_features,
    "bernaerts2025/v1_observed_features.csv": _v1_features,
    "bernaerts2025/m1_gene_counts.npz": _m1_counts,
    "bernaerts2025/ion_channel_genes_go.csv": _ion_channel_genes,
}
