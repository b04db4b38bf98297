"""An import of 20,000 small files: how long its caller waits, and whether its time grows linearly."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import inputs, served
from bench.jobs import settled
from bench.table import Row

#: How many rows a file has.
ROWS = 5
#: The most that the caller may wait, in seconds, and that ten times as many files may take.
CALL_SECONDS = 2.0
GROWTH = 12.0


def run(quick: bool) -> list[Row]:
    few, many = (200, 2000) if quick else (2000, 20_000)
    with served.service() as service, TemporaryDirectory(dir=inputs.folder()) as kept:
        dataset = service.dataset("Interactions", served.interactions_schema())
        times = {}
        for count in (few, many):
            write(Path(kept) / f"{count}", count)
            times[count] = imported(service, dataset, f"{Path(kept).name}/{count}/")
    call, job = times[many]
    growth = job / times[few][1]
    return [
        Row(
            f"CreateDatasetImportJob of {many:,} files",
            f"{call:.2f} s",
            "",
            f"{call:.2f} s",
            f"≤ {CALL_SECONDS:.0f} s",
            call <= CALL_SECONDS,
        ),
        Row(
            f"its job, until the data is there ({ROWS} rows a file)",
            f"{job:.1f} s",
            f"{few:,} files: {times[few][1]:.1f} s",
            f"{growth:.1f} ×",
            f"≤ {GROWTH:.0f} ×",
            growth <= GROWTH,
        ),
    ]


def write(folder: Path, count: int) -> None:
    """Write so many files into a new folder."""
    folder.mkdir()
    header = ",".join(inputs.COLUMNS)
    for at in range(count):
        rows = "".join(f"u{at},i{row},watch,1.0,{1_600_000_000 + at}\n" for row in range(ROWS))
        (folder / f"{at:05d}.csv").write_text(f"{header}\n{rows}")


def imported(service: served.Service, dataset: str, folder: str) -> tuple[float, float]:
    """Import a folder; return the seconds of the call, and of the job from then on."""
    service.jobs += 1
    begun = time.perf_counter()
    arn = service.client.create_dataset_import_job(
        jobName=f"bench-{service.jobs}",
        datasetArn=dataset,
        dataSource={"dataLocation": f"s3://bench/{folder}"},
        roleArn="arn:aws:iam::000000000000:role/bench",
        importMode="FULL",
    )["datasetImportJobArn"]
    answered = time.perf_counter()
    settled(lambda: service.client.describe_dataset_import_job(datasetImportJobArn=arn)["datasetImportJob"])
    return answered - begun, time.perf_counter() - answered
