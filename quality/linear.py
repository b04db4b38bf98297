"""The models without torch on MovieLens-1M: the blend of linear ones, and its transitions alone.

`python -m quality.linear` prints the rows; each model is fitted in a process of its own.
"""

from typing import Any

from bench.table import Row, markdown

from quality import movielens

#: Test NDCG@10, seconds of training and GiB of the blend, as the project's targets name them.
NDCG, SECONDS, GIB = 0.177, 5.0, 1.5
#: The share of the blend's quality that the transitions, alone in the largest catalogues, reach at least.
SHARE = 0.95


def run(quick: bool) -> list[Row]:
    """Fit on all of MovieLens-1M, which takes a minute, quick or not."""
    blended, alone = movielens.measured("default"), movielens.measured("transitions")
    return [_blended(blended), _alone(alone, blended)]


def _blended(found: dict[str, Any]) -> Row:
    ndcg, hits = found["test"]
    return Row(
        "MovieLens-1M, blend of linear models, without torch",
        _taken(found),
        "SASRec as HSTU's authors ran it: HR@10 0.2853",
        f"test NDCG@10 {ndcg:.4f}, HR@10 {hits:.4f}",
        f"NDCG@10 ≥ {NDCG}; ≤ {SECONDS:.0f} s on two quiet cores, ≤ {GIB} GiB",
        ndcg >= NDCG and found["seconds"] <= SECONDS and found["gib"] <= GIB,
    )


def _alone(found: dict[str, Any], blended: dict[str, Any]) -> Row:
    ndcg, hits = found["test"]
    share = ndcg / blended["test"][0]
    return Row(
        "MovieLens-1M, transitions alone",
        _taken(found),
        f"the blend: {blended['test'][0]:.4f}",
        f"test NDCG@10 {ndcg:.4f}, HR@10 {hits:.4f}: {share:.3f} ×",
        f"≥ {SHARE} ×",
        share >= SHARE,
    )


def _taken(found: dict[str, Any]) -> str:
    return (
        f"{found['seconds']:.1f} s ({found['cpu']:.0f} s of CPU), {found['gib']:.1f} GiB, "
        f"validation NDCG@10 {found['validation'][0]:.4f}"
    )


if __name__ == "__main__":
    print(markdown(run(quick=False)))
