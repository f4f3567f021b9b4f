"""Public data: found in the folder of the user, in the cache, or fetched with a checksum; never with a question."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from hpcsim.errors import ResultsError, StorageError, nearest
from hpcsim.models.model import cache_directory

#: Environment variable with a folder that holds public data.
FOLDER = "HPCSIM_DATA"
_HH_SBI = "https://github.com/berenslab/hh_sbi"
_SBNN = "https://github.com/berenslab/sBNN"
_GPL = "GPL-3.0"


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
        ``sha256:...``, or ``git:...``, the first digits of the name that git gives to the content; empty where the archive of
        `url` tells it (DOI archives do).
    url : str
        Where it can be fetched as it is, ``https://...`` or ``doi:.../file``; empty for a file that was converted from
        others.
    """

    name: str
    source: str
    licence: str
    checksum: str = ""
    url: str = ""


#: What this process has said that it fetches.
_announced: set[str] = set()
#: Seconds for which a failure stands: every point of a study may ask for the same file.
PAUSE = 60.0
#: When a file could not be fetched to its place, and why.
_failed: dict[Path, tuple[float, str]] = {}


def _converted(file: str, source: str, sha256: str) -> Dataset:
    return Dataset(f"bernaerts2025/{file}", source, _GPL, f"sha256:{sha256}")


#: All known files by name.
DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        _converted(
            "m1_observed_features.csv",
            f"{_HH_SBI}: code/pickles/M1_features.pickle",
            "d6385d7dd8babb1040c841a37aed6010e80f28c5aaab3bd45ec7c96cc87f0fb2",
        ),
        _converted(
            "m1_map.npz",
            f"{_HH_SBI}: code/save_model_parameters, code/save_sims",
            "93ca237091f70edf3423ad51ca44feb2cc92cf76968513cda7de5445cb492e79",
        ),
        _converted(
            "m1_map_2d.csv",
            f"{_HH_SBI}: code/save_model_parameters, code/save_sims",
            "05cc67a291d2dee14b9c8ef10365ceac309e19f403794ddbb007c782937f6468",
        ),
        _converted(
            "m1_map_2d_noise_tolerance.npz",
            "simulations with the parameters of m1_map_2d.csv and 40 seeds",
            "9259d29426ae2c5cd7ed72c33118615641342256c08a32af295da9b46679857a",
        ),
        _converted(
            "m1_traces.npz",
            f"{_HH_SBI}: code/save_model_parameters",
            "98c36c90efabed478ec626e11694b5c00595a90528d2ce85e494e77a6b7d011e",
        ),
        _converted(
            "m1_npen_2d_maf.npz",
            f"{_HH_SBI}: code/save_posteriors",
            "341e8cb919bca827a0dfb87448b3caf4658267c59eac1270f55362fd4cfbd66a",
        ),
        _converted(
            "m1_gene_counts.npz",
            f"{_SBNN}: data/scala_2020/gene_counts.csv",
            "7c6d80935f09f41bcae78bda6c311d568f25662890f0683028a0d68daf77da0e",
        ),
        _converted(
            "ion_channel_genes_go.csv",
            f"{_HH_SBI}: data/GO_term_summary_20211104_075621.txt",
            "582f5342850065555d54519eed22486efa5d9adfd195363e56a1b6c9754c2b05",
        ),
        _converted(
            "m1_srrr_genes.csv", f"{_HH_SBI}: figures", "a7716a84c43bb950a55577a1fe6d2c760f15cec7291c59a7c3b705af2ca62beb"
        ),
        _converted(
            "m1_srrr_params.csv", f"{_HH_SBI}: figures", "06fa68bf0201d11899f3bfd5cbaf1d3908aad167eb872224f601b63391de08d2"
        ),
        Dataset(
            "bernaerts2025/full_batch.npz",
            "15 million simulations of the prior with their statistics, https://zenodo.org/records/7716391",
            "as stated on the page of the record",
            url="doi:10.5281/zenodo.7716391/full_batch.npz",
        ),
        Dataset(
            "hay2011/cell1.asc",
            "ModelDB accession 139653, morphologies/cell1.asc, of Hay et al. (2011) PLOS Comput Biol 7: e1002107",
            "no licence is stated: for your own use, not to be passed on",
            "git:a2d2ce42",
            # ModelDB's own mirror of the accession; hpcsim never ships the file
            "https://raw.githubusercontent.com/ModelDBRepository/139653/HEAD/morphologies/cell1.asc",
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
    if dataset.url:
        return _cached(dataset, cache_directory() / "data" / name)
    raise ResultsError(
        f"{name} is not there: {f'there is no {own}' if folder else f'{FOLDER} is not set'}. It is a conversion to a plain "
        f"format that is not published on its own; put the file into a folder and set {FOLDER} to the folder above it, or "
        f"convert the original: {dataset.source} ({dataset.licence})"
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
    return "" if found.startswith(dataset.checksum) else f"found {found}, expected {dataset.checksum}"


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
        _download(dataset, place)
    except (OSError, ValueError) as error:
        message = (
            f"{dataset.name} cannot be fetched from {dataset.url}: {error}; try again where there is a network, or put the "
            f"file into a folder and set {FOLDER} to the folder above it"
        )
        _failed[place] = time.monotonic(), message
        raise StorageError(message) from error
    return place


def _download(dataset: Dataset, place: Path) -> None:
    """Fetch a file to its place, where it appears whole and right or not at all."""
    try:
        import pooch
    except ImportError:
        raise OSError("pooch is not installed, pip install pooch") from None

    def download(url: str, target: str, fetcher: pooch.Pooch) -> None:
        """Fetch to the name that the file has before pooch moves it to its place; pooch knows no checksums of git."""
        pooch.HTTPDownloader()(url, target, fetcher)
        if difference := _difference(Path(target), dataset):
            raise ValueError(f"another file is there, {difference}")

    if dataset.name not in _announced:
        _announced.add(dataset.name)
        print(f"fetching {dataset.name} from {dataset.url}\n  {dataset.source}\n  licence: {dataset.licence}", file=sys.stderr)
    # which says the address again
    pooch.get_logger().setLevel("WARNING")
    base = dataset.url.removesuffix(place.name)
    fetcher = pooch.create(place.parent, base_url=base, registry={place.name: None} if dataset.checksum else {})
    if not dataset.checksum:
        fetcher.load_registry_from_doi()
    fetcher.fetch(place.name, downloader=download if dataset.checksum else None)
