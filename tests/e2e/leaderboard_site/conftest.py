"""Sites for the tests of the leaderboard's pages in a browser."""

import hashlib
import math
import random

import numpy as np
import pytest

from sdd_bench import open_dataset
from sdd_bench.evaluation.run import evaluate
from sdd_bench.io.images import write_image
from sdd_bench.leaderboard.boards import make_boards
from sdd_bench.leaderboard.records import COST_FIELDS, Method, computed_entry
from sdd_bench.leaderboard.site.addresses import board_page, compare_page
from sdd_bench.leaderboard.site.build import build_site, claim
from sdd_bench.leaderboard.site.pictures import add_pictures

MARKUP = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
RIGHT_TO_LEFT = "רשת חדות"
EMOJI = "🙂🏳️‍🌈 Net"


def _synthetic(image, result, count, images, name="method {:03}", seed=0):
    """Entries whose numbers can be true, of the first best, with LPIPS, on one made-up dataset."""
    rng = random.Random(seed)
    hardness = [rng.gauss(0, 1.5) for _ in range(images)]
    entries = []
    for place in range(count):
        rows = []
        for number, hard in enumerate(hardness):
            psnr = min(max(29 - 8 * place / count + hard + rng.gauss(0, 0.5), 17), 34)
            mae = 0.7 * math.sqrt(10 ** (-psnr / 10))
            row = image(
                f"{number:03}",
                psnr,
                "indoor" if number % 3 == 0 else "outdoor",
                ssim=0.02 * psnr,
                mae=mae,
                lpips=0.9 - 0.02 * psnr,
            )
            rows.append(row.model_copy(update={"prediction_sha256": _digest(name.format(place), number)}))
        method = Method(
            name=name.format(place),
            trained_on=("DPDD", "SDD", "LFDOF+DPDD")[place % 3],
            authors=f"Author {place} and others",
            year=2015 + place % 10,
            venue="CVPR",
            **_costs(place),
        )
        made = result(rows, method.name, weights="verified", weights_sha256={"alexnet": "2" * 64})
        entries.append(computed_entry(made, method, "verified" if place % 2 else "self-reported"))
    return entries


def _costs(place):
    """Of the first six: two without parameters, two of as many, two machines; nothing is known of the others."""
    if place > 5:
        return {}
    timed = {"seconds_per_megapixel": 0.05 * 4**place, "machine": "A GPU" if place % 3 == 2 else "A processor"}
    threads = {} if place % 3 == 2 else {"threads": 2}
    return {"parameters": (31_033_411, 0, 487_331, 31_033_411, 7_232_524, 0)[place], **timed, **threads}


def _hostile(image, result):
    """Methods with the worst names, in the dataset of `_synthetic`."""
    entries = []
    for place, name in enumerate((MARKUP, RIGHT_TO_LEFT, EMOJI)):
        (made,) = _synthetic(image, result, 1, 8, name.replace("{", "{{"), seed=place + 5)
        about = Method(**made.method.model_dump(exclude=set(COST_FIELDS)))
        entries.append(computed_entry(made.result, about, made.status))
    return entries


def _copied(published):
    """Four copied entries of two sources that disagree."""
    about = {"reference": "unknown", "dataset": "RealDOF", "doubts": ("Nobody read the code.",)}
    return [
        published("Restormer", "25.09", title="A paper, Table 1", **about),
        published("DPDNet", "24.34", title="A paper, Table 1", **about),
        published("Restormer", "24.28", title="Another paper", **about),
        published(MARKUP, "23.00", title=MARKUP, **about),
    ]


def _real(prepared, folder):
    """Three methods on the prepared dataset, with the folders of their predictions: the input, brighter and darker."""
    changes = {"input": 0.0, "bright": 0.1, "dark": -0.2}
    entries, folders = {}, {}
    for name, change in changes.items():
        folders[name] = folder / name
        for number, pair in enumerate(open_dataset(prepared)):
            pixels = np.clip(pair.blur() + change * (1 + number) / 2, 0, 1)
            write_image(folders[name] / f"{pair.stem}.png", pixels)
        made = evaluate(folders[name], prepared, method=name, cache=folder / "cache", progress=False)
        entries[name] = computed_entry(made, Method(name=name))
    return entries, folders


def _digest(*parts):
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()


class Site:
    """A built site and what is on it."""

    def __init__(self, folder, entries):
        self.folder, self.entries = folder, entries
        self.boards = {(board.dataset, board.group): board for board in make_boards(entries)}

    def address(self, page, state=""):
        return (self.folder / page).as_uri() + (f"#{state}" if state else "")

    def board(self, dataset="data", group="all", state=""):
        return self.address(board_page(self.boards[dataset, group]), state)

    def compare(self, dataset="small", state=""):
        return self.address(compare_page(self.boards[dataset, "all"]), state)

    def pages(self):
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*.html"))


@pytest.fixture(scope="session")
def site(prepared, image, result, published, tmp_path_factory):
    """Seven made-up methods with good names and three with the worst, copied numbers, and three on real pictures.

    The site has pictures of two of the last.
    """
    folder = tmp_path_factory.mktemp("site")
    entries, predictions = _real(prepared, folder)
    listed = [*_synthetic(image, result, 7, 8), *_hostile(image, result), *_copied(published), *entries.values()]
    claim(folder / "site")
    pictured = {entries[name].id: predictions[name] for name in ("input", "bright")}
    add_pictures(folder / "site", listed, pictured, [prepared], cache=folder / "cache", progress=False)
    build_site(listed, folder / "site")
    made = Site(folder / "site", listed)
    made.ids = {name: entry.id for name, entry in entries.items()}
    return made


@pytest.fixture(scope="session")
def large_site(image, result, tmp_path_factory):
    """500 methods on 6 images."""
    folder = tmp_path_factory.mktemp("large") / "site"
    entries = _synthetic(image, result, 500, 6)
    build_site(entries, folder)
    return Site(folder, entries)


@pytest.fixture
def may_be_asked():
    """A site's pages name each other, and are also opened from a server of one's own."""
    return lambda url: url.startswith(("file:", "data:", "http://127.0.0.1:"))
