"""The page that the quality measures are written on, beside what others published."""

from collections.abc import Sequence
from pathlib import Path

from bench.table import Row, machine, markdown

#: How the shops come about that `sparse` and `cold` measure.
SHOPS = """How the shops are simulated (`quality/shops.py`, seeded): items lie in a tree of categories and have
brands, series, prices and words; their weights have a long tail, and they come and go. People have a few
interests, a taste, a brand and a purse, and take what follows what they have or what they like of an interest;
users and items with few interactions are dropped, as in Amazon's 5-core. Their levels were calibrated on
popularity and transitions alone: three sparse shops, games, places that are visited in any order, music with
telling metadata, and visits of a web shop. Leave one out as above. Cold: one known item in ten is taken out of the
training, and only metadata knows it."""

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "quality.md"


def write(rows: Sequence[Row], path: Path = PAGE) -> None:
    """Write the rows of a whole run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"""# Quality of the recommendations

Written by `python -m quality`, which takes all of these numbers in one run on one machine. Do not edit it, run it
again. `python -m quality NAME…` runs single measures, `--quick` only the short ones; neither changes this page.

Machine: {machine()}.

{markdown(rows)}

How MovieLens-1M is measured: leave one out by each user's own order. The last item is the test, the one before it the
validation; models see neither, and the query's history is all that came before. All items are ranked but those of the
history, ties count against the model, NDCG@10 and HR@10 are means over all users, and nothing is sampled. 6,040
users, 3,416 items, 999,611 interactions.

{SHOPS}

What others published by the same protocol:

| model | NDCG@10 | HR@10 | source |
| --- | --- | --- | --- |
| SASRec, sampled loss, as HSTU's authors ran it | – | 0.2853 | HSTU, ICML 2024 |
| HSTU-large | 0.1893 | 0.3294 | the same |
| HSTU with full softmax, another team's code, one GPU | 0.1944 | 0.3419 | its README |
""")
