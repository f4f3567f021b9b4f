"""Public data: found in the folder of the user, in the cache, or fetched with a checksum; never with a question."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hpcsim.data.download import download, reason
from hpcsim.errors import ResultsError, StorageError, nearest
from hpcsim.files import write_bytes
from hpcsim.paths import cache_directory

#: Environment variable with a folder that holds public data.
FOLDER = "HPCSIM_DATA"
_HH_SBI = "https://github.com/berenslab/hh_sbi"
_SBNN = "https://github.com/berenslab/sBNN"
_GPL = "GPL-3.0"
_BERNAERTS = (
    "Bernaerts et al. (2025) Combined statistical-biophysical modeling links ion channel genes to physiology of cortical neuron "
    "types; recordings of Scala et al. (2021) Nature 598:144-150 and Gouwens et al. (2020) Cell 183:935-953"
)
_ISF = "Bast et al. (2023); the In Silico Framework of the Max Planck Institute for Neurobiology of Behavior - caesar"
_SPARSE_BOTTLENECK = (
    "Bernaerts, Berens and Kobak (2022) Sparse bottleneck neural networks for exploratory non-linear visualization of "
    "Patch-seq data, arXiv:2006.10411; recordings of Scala et al. (2021) Nature 598:144-150"
)


@dataclass(frozen=True)
class Dataset:
    """A public file.

    Parameters
    ----------
    name : str
        Folder and file name.
    source : str
        Where it comes from, for people.
    licence : str
    checksum : str
        ``sha256:...``, or ``git:...``, the first digits of the name that git gives to the content; several with spaces
        between, where the same content is packed in several ways; empty where the archive of `url` tells it (DOI archives
        do).
    url : str
        Where it can be fetched as it is, ``https://...`` or ``doi:.../file``; empty for a file that was converted from
        others.
    originals : tuple of str
        Names of the public files that it is made of, by :mod:`hpcsim.data.conversions`; empty where hpcsim cannot make it.
    citation : str
        What to cite when it is used.
    """

    name: str
    source: str
    licence: str
    checksum: str = ""
    url: str = ""
    originals: tuple[str, ...] = ()
    citation: str = ""


#: What this process has said that it fetches.
_announced: set[str] = set()
#: Seconds for which a failure stands: every point of a study may ask for the same file.
PAUSE = 60.0
#: When a file could not be fetched to its place, and why.
_failed: dict[Path, tuple[float, str]] = {}


def _original(file: str, repository: str, commit: str, path: str, sha256: str, citation: str) -> Dataset:
    """A file of a repository, as it was at a commit."""
    address = f"https://raw.githubusercontent.com/{repository}/{commit}/{path}"
    source = f"https://github.com/{repository}: {path}"
    return Dataset(f"bernaerts2025/original/{file}", source, _GPL, f"sha256:{sha256}", address, citation=citation)


def _of_hh_sbi(path: str, sha256: str) -> Dataset:
    file = path.rpartition("/")[2]
    return _original(file, "berenslab/hh_sbi", "c720cff8d43e94c9a565755836dc9848b7871208", path, sha256, _BERNAERTS)


def _of_isf(file: str, path: str, sha256: str) -> Dataset:
    repository, commit = "mpinb/in_silico_framework", "6c2c82f110d882e7734b2cf1ad02ad8af87c0d03"
    address = f"https://raw.githubusercontent.com/{repository}/{commit}/{path}"
    return Dataset(f"isf/{file}", f"https://github.com/{repository}: {path}", _GPL, f"sha256:{sha256}", address, citation=_ISF)


def _converted(file: str, source: str, sha256: str, *originals: str) -> Dataset:
    names = tuple(name if "/" in name else f"bernaerts2025/original/{name}" for name in originals)
    return Dataset(f"bernaerts2025/{file}", source, _GPL, sha256, originals=names, citation=_BERNAERTS)


#: All known files by name.
DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        _converted(
            "m1_observed_features.csv",
            f"{_HH_SBI}: code/pickles/M1_features.pickle",
            "sha256:d6385d7dd8babb1040c841a37aed6010e80f28c5aaab3bd45ec7c96cc87f0fb2",
            "M1_features.pickle",
            "m1_patchseq_meta_data.csv",
            "npep_entropy.npz",
            "tsne.npz",
        ),
        _converted(
            "v1_observed_features.csv",
            f"{_HH_SBI}: code/pickles/V1_features.pickle",
            "sha256:965881128a06e64b189c2586daa57cf058bd866ddd40183225a071ba06cdd50a",
            "V1_features.pickle",
        ),
        _converted(
            "m1_map.npz",
            f"{_HH_SBI}: code/save_model_parameters, code/save_sims",
            "sha256:93ca237091f70edf3423ad51ca44feb2cc92cf76968513cda7de5445cb492e79",
        ),
        _converted(
            "m1_map_2d.csv",
            f"{_HH_SBI}: code/save_model_parameters, code/save_sims",
            "sha256:05cc67a291d2dee14b9c8ef10365ceac309e19f403794ddbb007c782937f6468",
        ),
        _converted(
            "m1_map_2d_noise_tolerance.npz",
            "simulations with the parameters of m1_map_2d.csv and 40 seeds",
            "sha256:9259d29426ae2c5cd7ed72c33118615641342256c08a32af295da9b46679857a",
        ),
        _converted(
            "m1_traces.npz",
            f"{_HH_SBI}: code/save_model_parameters",
            "sha256:98c36c90efabed478ec626e11694b5c00595a90528d2ce85e494e77a6b7d011e",
        ),
        _converted(
            "m1_npen_2d_maf.npz",
            f"{_HH_SBI}: code/save_posteriors",
            "sha256:341e8cb919bca827a0dfb87448b3caf4658267c59eac1270f55362fd4cfbd66a",
        ),
        _converted(
            "m1_gene_counts.npz",
            f"{_SBNN}: data/scala_2020/gene_counts.csv",
            # compressed, and as hpcsim makes it
            "sha256:7c6d80935f09f41bcae78bda6c311d568f25662890f0683028a0d68daf77da0e "
            "sha256:e8795e8e6c6287dba034cc96e2d417916dbdabd11ad4c272773dd7523bbba099",
            "gene_counts.csv",
            "bernaerts2025/m1_observed_features.csv",
            "bernaerts2025/ion_channel_genes_go.csv",
        ),
        _converted(
            "ion_channel_genes_go.csv",
            f"{_HH_SBI}: data/GO_term_summary_20211104_075621.txt",
            "sha256:582f5342850065555d54519eed22486efa5d9adfd195363e56a1b6c9754c2b05",
            "GO_term_summary_20211104_075621.txt",
        ),
        _converted(
            "m1_srrr_genes.csv", f"{_HH_SBI}: figures", "sha256:a7716a84c43bb950a55577a1fe6d2c760f15cec7291c59a7c3b705af2ca62beb"
        ),
        _converted(
            "m1_srrr_params.csv", f"{_HH_SBI}: figures", "sha256:06fa68bf0201d11899f3bfd5cbaf1d3908aad167eb872224f601b63391de08d2"
        ),
        _of_hh_sbi("code/pickles/M1_features.pickle", "d0afe152016974f940752d3fdaf520415e67f3045b08424a24ebf87a026663e9"),
        _of_hh_sbi("code/pickles/V1_features.pickle", "56722a991fefed34112adb3a3d1fca71f011d66b06680a042e89d75882a74590"),
        _of_hh_sbi("data/m1_patchseq_meta_data.csv", "5c47ec8c5437bba95d4b75dd66896e33aa67dce294621982a466ad23abcf63d4"),
        _of_hh_sbi("code/save_uncertainty/npep_entropy.npz", "7ff7f3fc5481ee5f5af4b4a53ec45543bd766ff114ff0915c94c2967f47f131d"),
        _of_hh_sbi("figures/embedding_coordinates/tsne.npz", "aede1132c2c72c8662cdae495050529a5ac66788e9b467da98f9865b16810948"),
        _of_hh_sbi(
            "data/GO_term_summary_20211104_075621.txt", "8e87e8d840486be006e35f8b9f48d4cb89c458066ff4fde58e0b70589e50e7c4"
        ),
        _original(
            "gene_counts.csv",
            "berenslab/sBNN",
            "4ff8ba81123051419c6da0db9215d45e9a4e02c3",
            "data/scala_2020/gene_counts.csv",
            "1cbaac7273f868c13e3ab15a12b32c5fd2ad23e88e11e6776d2bc18ce3d65eaa",
            _SPARSE_BOTTLENECK,
        ),
        Dataset(
            "bernaerts2025/full_batch.npz",
            "15 million simulations of the prior with their statistics, https://zenodo.org/records/7716391",
            "as stated on the page of the record",
            url="doi:10.5281/zenodo.7716391/full_batch.npz",
        ),
        Dataset(
            "allen/478498617.nwb",
            "Allen Cell Types Database, cell 478498617 (mouse V1, layer 4), in NWB 2 for the tutorial of NeMoS: https://osf.io/5crqj",
            "terms of use of the Allen Institute: https://alleninstitute.org/terms-of-use (non-commercial)",
            "sha256:262393d7485a5b39cc80fb55011dcf21f86133f13d088e35439c2559fd4b49fa",
            "https://osf.io/download/vf2nj/",
            citation="Allen Institute for Brain Science (2015) Allen Cell Types Database, https://celltypes.brain-map.org",
        ),
        Dataset(
            "hippocampus_hub/99111002.nwb",
            "Hippocampus Hub, a CA1 cell under steps of current; in tests/exp_data of https://github.com/BlueBrain/BluePyEfe",
            "terms of the Hippocampus Hub: https://www.hippocampushub.eu/build/about#terms_and_conditions",
            "sha256:f4f6b76d251f39f8a716e75a61dc731f406f30c15ff315f2e6b4bf13c71515e5",
            "https://raw.githubusercontent.com/BlueBrain/BluePyEfe/9d8780af6c352eba1d7c1ad16f6bb942a442b3b7/"
            "tests/exp_data/hippocampus-portal/99111002.nwb",
            citation="Hippocampus Hub (2021), CNR Institute of Biophysics and Blue Brain Project, https://www.hippocampushub.eu",
        ),
        Dataset(
            "hay2011/cell1.asc",
            "ModelDB accession 139653, morphologies/cell1.asc, of Hay et al. (2011) PLOS Comput Biol 7: e1002107",
            "no licence is stated: for your own use, not to be passed on",
            "git:a2d2ce42",
            # ModelDB's own mirror of the accession; hpcsim never ships the file
            "https://raw.githubusercontent.com/ModelDBRepository/139653/HEAD/morphologies/cell1.asc",
        ),
        _of_isf(
            "89_C2.hoc",
            "getting_started/example_data/anatomical_constraints/89_C2.hoc",
            "ac884c7fc08794986924c091aff1c9eb444349836b2d9a49e80b5a71c52db958",
        ),
        _of_isf(
            "neuron_models_morph_89.csv",
            "tests/test_biophysics_fitting/data/neuron_models_morph_89.csv",
            "6342affe1ad15f5e9e979eb27b9bf545c648a3da501d1306ad3f2a011acfcc5c",
        ),
    )
}


def fetch(name: str) -> Path:
    """The path of a public file: in ``$HPCSIM_DATA``, in the cache, or fetched into it.

    Parameters
    ----------
    name : str
        One of `DATASETS`, such as ``bernaerts2025/m1_observed_features.csv``.

    Returns
    -------
    Path

    Raises
    ------
    ResultsError
        If there is no such file, it can be had nowhere, or a file of that name in ``$HPCSIM_DATA`` is another one.
    StorageError
        If it cannot be fetched, or another file is at its address.
    """
    if name not in DATASETS:
        raise ResultsError(f'there is no public file "{name}"; {nearest(name, DATASETS)}')
    dataset = DATASETS[name]
    folder = os.environ.get(FOLDER, "")
    own = Path(folder) / name
    if folder and own.is_file():
        if difference := _difference(own, dataset):
            raise ResultsError(
                f"{own} is not the file that is known as {name}: {difference}; "
                f"take it again from where you had it, or unset {FOLDER}"
            )
        return own
    place = cache_directory() / "data" / name
    if dataset.url:
        return _cached(dataset, place)
    missing = f"{name} is not there: {f'there is no {own}' if folder else f'{FOLDER} is not set'}"
    if dataset.originals:
        return _made(dataset, place, missing)
    raise ResultsError(
        f"{missing}. It is a conversion to a plain format that is not published on its own; put the file into a folder and set "
        f"{FOLDER} to the folder above it, or convert the original: {dataset.source} ({dataset.licence})"
    )


def _difference(path: Path, dataset: Dataset) -> str:
    """The checksums, if the file is another one; otherwise empty."""
    if not dataset.checksum:
        return ""
    if dataset.checksum.startswith("git:"):
        content = path.read_bytes()
        found = f"git:{hashlib.sha1(b'blob %d' % len(content) + bytes(1) + content).hexdigest()}"
    else:
        with path.open("rb") as file:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if any(found.startswith(checksum) for checksum in dataset.checksum.split()):
        return ""
    return f"found {found}, expected {dataset.checksum.replace(' ', ' or ')}"


def _made(dataset: Dataset, place: Path, missing: str) -> Path:
    """A file of the cache that is made of its originals once; they are fetched."""
    if place.is_file() and not _difference(place, dataset):
        return place
    try:
        originals = [fetch(original) for original in dataset.originals]
    except StorageError as error:
        raise StorageError(f"{missing}, and its original {error}") from error
    from hpcsim.data.conversions import CONVERSIONS

    content = CONVERSIONS[dataset.name](*originals)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(place, content)
    except OSError as error:
        raise StorageError(f"{place} cannot be written: {error}") from error
    if difference := _difference(place, dataset):
        place.unlink()
        raise StorageError(
            f"{dataset.name} cannot be made of {', '.join(map(str, originals))}: {difference}; put the file at "
            f"{dataset.name} below a folder and set {FOLDER} to that folder, and report this"
        )
    return place


def _cached(dataset: Dataset, place: Path) -> Path:
    """The file at its place in the cache; what is there and whole is not fetched again."""
    since, message = _failed.get(place, (-PAUSE, ""))
    if time.monotonic() - since < PAUSE:
        raise StorageError(message)
    try:
        if place.is_file():
            # without a checksum here, pooch compared it with the archive's before it moved the file to this name
            if not _difference(place, dataset):
                return place
            place.unlink(missing_ok=True)
        _announce(dataset)
        download(dataset.url, place, partial(_difference, dataset=dataset) if dataset.checksum else None)
    except (OSError, ValueError) as error:
        message = (
            f"{dataset.name} cannot be fetched from {dataset.url}: {reason(error)}; try again where there is a network, or put "
            f"the file at {dataset.name} below a folder and set {FOLDER} to that folder"
        )
        _failed[place] = time.monotonic(), message
        raise StorageError(message) from error
    return place


def _announce(dataset: Dataset) -> None:
    """Say what is fetched from where, and once for all files of a source under which licence and what to cite."""
    if dataset.name in _announced:
        return
    _announced.add(dataset.name)
    print(f"fetching {dataset.name} from {dataset.url}\n  {dataset.source}", file=sys.stderr)
    terms = f"  licence: {dataset.licence}" + (f"\n  please cite: {dataset.citation}" if dataset.citation else "")
    if not dataset.citation or terms not in _announced:
        _announced.add(terms)
        print(terms, file=sys.stderr)
