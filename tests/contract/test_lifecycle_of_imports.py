"""The import job up to the moment when a worker takes it, on every database."""

import threading
from typing import Any

import pytest

from sartor.data.sources import SourceFile
from sartor.errors import ApiError, JobFailed
from sartor.resources import lifecycle, looks
from sartor.resources.store import Resource

LOCATION = "s3://bucket/good.csv"


@pytest.fixture
def dataset(service: Any, files: Any) -> str:
    files.contents[LOCATION] = b"USER_ID,extra,timestamp,ITEM_ID\n1,2,3,4\n"
    return str(service.dataset())


def refusal(service: Any, dataset: str, **changes: Any) -> ApiError:
    request = {"jobName": "job", "datasetArn": dataset, "dataSource": {"dataLocation": LOCATION}}
    refused: ApiError = service.refusal("CreateDatasetImportJob", **request | changes)
    return refused


def test_a_job_is_described_as_it_was_asked_for(service: Any, dataset: str) -> None:
    arn = service.job(dataset, roleArn="arn:aws:iam::111122223333:role/r")
    assert arn == "arn:aws:personalize:eu-central-1:111122223333:dataset-import-job/job"
    described = service("DescribeDatasetImportJob", datasetImportJobArn=arn)["datasetImportJob"]
    moments = {described.pop("creationDateTime"), described.pop("lastUpdatedDateTime")}
    assert len(moments) == 1
    assert described == {
        "jobName": "job",
        "datasetImportJobArn": arn,
        "datasetArn": dataset,
        "dataSource": {"dataLocation": "s3://bucket/job.csv"},
        "roleArn": "arn:aws:iam::111122223333:role/r",
        "importMode": "FULL",
        "publishAttributionMetricsToS3": False,
        "status": "CREATE PENDING",
    }


def test_a_job_waits_in_the_heavy_lane_with_its_table(service: Any, dataset: str) -> None:
    arn = service.job(dataset)
    assert lifecycle.claim(service.store, "w", ("quick",), 2e9, 15.0) is None
    task = lifecycle.claim(service.store, "w", ("heavy",), 2e9, 15.0)
    assert task is not None
    assert task.arn == arn
    assert task.resource.private["table"] == service.store.get(dataset).private["table"]


def test_a_job_is_checked_in_the_documented_order(service: Any, files: Any) -> None:
    missing = "arn:aws:personalize:eu-central-1:111122223333:dataset/shop/INTERACTIONS"
    assert refusal(service, missing).code == "ResourceNotFoundException"
    group = service.group()
    service(
        "CreateDataset",
        name="d",
        datasetGroupArn=group,
        schemaArn=service.schema(),
        datasetType="Interactions",
    )
    assert refusal(service, missing).code == "ResourceInUseException"
    service.work()
    service.job(missing, "first")
    too_many = [{"tagKey": str(number), "tagValue": ""} for number in range(51)]
    reserved = [{"tagKey": "aws:a", "tagValue": ""}]
    refused = refusal(service, missing, jobName="first", tags=too_many)
    assert refused.code == "ResourceAlreadyExistsException"
    assert refusal(service, missing, tags=too_many).code == "TooManyTagsException"
    assert refusal(service, missing, tags=reserved).code == "InvalidInputException"
    incremental = {"importMode": "INCREMENTAL", "publishAttributionMetricsToS3": True}
    refused = refusal(service, missing, **incremental)
    assert refused.code == "ResourceInUseException"  # the first job has not ended
    service.work({missing.replace("dataset/shop/INTERACTIONS", "dataset-import-job/first"): "Bad."})
    refused = refusal(service, missing, **incremental)
    assert refused.code == "InvalidInputException"
    assert "must be FULL" in refused.message
    assert files.listed == ["s3://bucket/first.csv"]
    refused = refusal(service, missing, publishAttributionMetricsToS3=True)
    assert refused.code == "InvalidInputException"
    assert "metric attribution" in refused.message


def test_five_jobs_may_wait_or_run_in_a_region(service: Any) -> None:
    group = service.group()
    kinds = ("Interactions", "Items", "Users", "Actions", "ActionInteractions")
    datasets = [service.dataset(of, group) for of in kinds]
    for number, dataset in enumerate(datasets):
        service.job(dataset, f"j{number}")
    assert lifecycle.claim(service.store, "w", ("heavy",), 2e9, 15.0) is not None
    refused = refusal(service, datasets[0])
    assert refused.code == "LimitExceededException"
    assert refused.message == "More than 5 resources with PENDING or IN_PROGRESS status."


def test_quotas_off_lifts_the_number_of_jobs_but_not_one_a_dataset(
    service_without_quotas: Any, files: Any
) -> None:
    service = service_without_quotas
    files.contents[LOCATION] = b"x\n"
    datasets = [service.dataset(group=service.group(f"g{number}")) for number in range(7)]
    for number, dataset in enumerate(datasets):
        service.job(dataset, f"j{number}")
    assert refusal(service, datasets[0]).code == "ResourceInUseException"


def test_a_dataset_takes_increments_after_a_full_import(service: Any, dataset: str) -> None:
    service.job(dataset, "full")
    service.work()
    arn = service.job(dataset, "more", importMode="INCREMENTAL")
    described = service("DescribeDatasetImportJob", datasetImportJobArn=arn)["datasetImportJob"]
    assert described["importMode"] == "INCREMENTAL"


def test_the_imports_of_an_earlier_dataset_do_not_count(service: Any, dataset: str) -> None:
    job = service.job(dataset, "full")
    service.work()
    service("DeleteDataset", datasetArn=dataset)
    service.work()
    described = service("DescribeDatasetImportJob", datasetImportJobArn=job)["datasetImportJob"]
    assert described["status"] == "ACTIVE"  # jobs outlive their datasets
    schema = "arn:aws:personalize:eu-central-1:111122223333:schema/Interactions-shop"
    group = "arn:aws:personalize:eu-central-1:111122223333:dataset-group/shop"
    service("CreateDataset", name="d", datasetGroupArn=group, schemaArn=schema, datasetType="Interactions")
    service.work()
    assert "must be FULL" in refusal(service, dataset, importMode="INCREMENTAL").message
    assert refusal(service, dataset, jobName="full").code == "ResourceAlreadyExistsException"


def test_metrics_are_published_when_an_attribution_writes_to_s3(service: Any, dataset: str) -> None:
    group = dataset.replace("dataset/shop/INTERACTIONS", "dataset-group/shop")
    for name, output in [("a", {}), ("b", {"s3DataDestination": {"path": "s3://b/o/"}})]:
        refused = refusal(service, dataset, publishAttributionMetricsToS3=True)
        assert "metric attribution" in refused.message
        arn = group.replace("dataset-group/shop", f"metric-attribution/{name}")
        body = {"metricsOutputConfig": output}
        with service.store.write() as transaction:
            transaction.add(
                Resource(
                    arn,
                    "metric-attribution",
                    "111122223333",
                    "eu-central-1",
                    name,
                    "ACTIVE",
                    body,
                    {},
                    1.0,
                    1.0,
                ),
                [group],
            )
    service.job(dataset, publishAttributionMetricsToS3=True)


@pytest.mark.parametrize("source", [{}, {"dataLocation": "s3://bucket/nothing.csv"}])
def test_a_location_without_files_is_refused(service: Any, dataset: str, source: dict[str, str]) -> None:
    refused = refusal(service, dataset, dataSource=source)
    assert (refused.code, refused.message) == ("InvalidInputException", "Invalid Data location.")


def test_files_that_are_not_ours_to_read_are_refused(service: Any, dataset: str) -> None:
    refused = refusal(service, dataset, dataSource={"dataLocation": "s3://secret/a.csv"})
    assert refused.message == "Insufficient privileges for accessing data in S3."


def test_every_file_must_have_every_column(service: Any, dataset: str, files: Any) -> None:
    files.contents |= {"s3://b/f/1.csv": b"user_id,item_id\n", "s3://b/f/2.csv": b"item_id,TIMESTAMP\n"}
    refused = refusal(service, dataset, dataSource={"dataLocation": "s3://b/f/"})
    assert refused.code == "InvalidInputException"
    assert refused.message == "Input csv is missing the following columns: [TIMESTAMP] in s3://b/f/1.csv"
    assert service("ListDatasetImportJobs")["datasetImportJobs"] == []


def test_a_caller_waits_a_moment_and_what_was_not_seen_by_then_is_the_jobs(
    service: Any, dataset: str, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with 20,000 files, or a service that does not answer."""
    monkeypatch.setattr(looks, "LOOK_SECONDS", 0.0)
    answered = threading.Event()
    files.contents |= {"s3://b/f/1.csv": b"user_id,item_id\n"}
    files.before_list = lambda: answered.wait(10)
    arn = service.job(dataset, dataSource={"dataLocation": "s3://b/f/"})
    answered.set()
    job = service("DescribeDatasetImportJob", datasetImportJobArn=arn)["datasetImportJob"]
    assert job["status"] == "CREATE PENDING"


def test_what_changed_while_the_files_were_looked_at_is_noticed(
    service: Any, dataset: str, files: Any
) -> None:
    """No transaction is open during the slow check: others can write, and what they wrote counts."""
    files.before_list = lambda: service("DeleteDataset", datasetArn=dataset)
    assert refusal(service, dataset).code == "ResourceInUseException"
    assert service("ListDatasetImportJobs")["datasetImportJobs"] == []


def test_a_dataset_is_not_deleted_while_an_import_runs(service: Any, dataset: str) -> None:
    job = service.job(dataset)
    refused = service.refusal("DeleteDataset", datasetArn=dataset)
    assert refused.code == "ResourceInUseException"
    assert job in refused.message
    service.work({job: "Bad."})
    service("DeleteDataset", datasetArn=dataset)


def test_jobs_are_listed_by_dataset_newest_first(service: Any, dataset: str) -> None:
    other = service.dataset("Items", dataset.replace("dataset/shop/INTERACTIONS", "dataset-group/shop"))
    service.job(other, "other")
    for name in ("one", "two"):
        service.job(dataset, name)
        service.work()
    listed = service("ListDatasetImportJobs", datasetArn=dataset)["datasetImportJobs"]
    assert [job["jobName"] for job in listed] == ["two", "one"]
    assert len(service("ListDatasetImportJobs")["datasetImportJobs"]) == 3


def test_a_job_has_no_delete_operation(service: Any) -> None:
    assert "DeleteDatasetImportJob" not in service.handlers


# deletions, whose files are looked at in the same way


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ITEM_ID\na\n", "Input csv is missing the following columns: [USER_ID]"),
        (b"USER_ID\n" + b"a\n" * 20, "The files have 48 bytes; 30 are allowed."),
    ],
)
def test_a_deletion_of_unfit_files_is_refused_at_the_call(
    service: Any, dataset: str, files: Any, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.setattr(looks, "MAX_DELETION_BYTES", 30)
    files.contents["s3://b/users.csv"] = content
    group = dataset.replace("dataset/shop/INTERACTIONS", "dataset-group/shop")
    with pytest.raises(ApiError) as refused:
        service(
            "CreateDataDeletionJob",
            jobName="deletion",
            datasetGroupArn=group,
            dataSource={"dataLocation": "s3://b/users.csv"},
        )
    assert (refused.value.code, refused.value.message) == ("InvalidInputException", message)


def test_files_that_were_not_seen_at_the_call_may_be_no_larger_in_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(looks, "MAX_DELETION_BYTES", 30)
    files = [SourceFile("b", f"{at}.csv", 20, "") for at in range(2)]
    looks.require_deletable(files[:1], quotas_on=True)
    looks.require_deletable(files, quotas_on=False)
    with pytest.raises(JobFailed, match="40 bytes; 30 are allowed"):
        looks.require_deletable(files, quotas_on=True)


def deletion(name: str, **changes: Any) -> dict[str, Any]:
    group = "arn:aws:personalize:eu-central-1:111122223333:dataset-group/shop"
    source = {"dataLocation": "s3://b/users.csv"}
    return {"jobName": name, "datasetGroupArn": group, "dataSource": source, **changes}


def test_five_deletions_of_a_group_may_be_pending_and_of_one_input(
    service: Any, dataset: str, files: Any
) -> None:
    files.contents["s3://b/users.csv"] = b"USER_ID\nu\n"
    for number in range(5):
        service("CreateDataDeletionJob", **deletion(f"d{number}"))
    refused = service.refusal("CreateDataDeletionJob", **deletion("d5"))
    assert (refused.code, refused.message) == (
        "LimitExceededException",
        "More than 5 resources with PENDING status.",
    )
    assert lifecycle.claim(service.store, "w", ("heavy",), 2e9, 15.0) is not None
    service("CreateDataDeletionJob", **deletion("d5"))  # one of them is in progress
    listed = service("ListDataDeletionJobs", datasetGroupArn=deletion("")["datasetGroupArn"])
    assert [one["jobName"] for one in listed["dataDeletionJobs"]] == [
        f"d{number}" for number in range(5, -1, -1)
    ]
    assert [one["status"] for one in listed["dataDeletionJobs"]] == ["PENDING"] * 5 + ["IN_PROGRESS"]


@pytest.mark.parametrize("of", ["Actions", "ActionInteractions"])
def test_actions_are_not_exported(service: Any, of: str) -> None:
    output = {"s3DataDestination": {"path": "s3://b/out/"}}
    members = {"jobName": "e", "datasetArn": service.dataset(of), "jobOutput": output}
    refused = service.refusal("CreateDatasetExportJob", **members)
    assert (refused.code, "cannot be exported" in refused.message) == ("InvalidInputException", True)
