"""Every page at an address where it has something to show; the tests of every page walk through them."""

from collections.abc import Callable

from console.shop import Shop

#: The addresses of each page's path, with what they need of the shop.             <- add a page
ADDRESSES: dict[str, tuple[Callable[[Shop], str], ...]] = {
    "/console/": (lambda _shop: "/console/",),
    "/console/jobs": (
        lambda _shop: "/console/jobs",
        lambda _shop: "/console/jobs?search=import&state=failed",
    ),
    "/console/jobs/job": (
        lambda shop: f"/console/jobs/job?arn={shop.arns['failed']}",
        lambda shop: f"/console/jobs/job?arn={shop.arns['version']}",
    ),
    "/console/models": (lambda _shop: "/console/models",),
    "/console/models/model": (
        lambda shop: f"/console/models/model?arn={shop.arns['version']}",
        lambda shop: f"/console/models/model?arn={shop.arns['newer']}",
    ),
    "/console/try": (
        lambda shop: f"/console/try?arn={shop.arns['campaign']}&filter={shop.arns['filter']}",
        lambda shop: f"/console/try?arn={shop.arns['similar']}&item=Item+25&text=EXCLUDE+ItemID+WERE",
    ),
    "/console/try/filter": (
        lambda shop: (
            f'/console/try/filter?group={shop.arns["group"]}&text=EXCLUDE+ItemID+WHERE+Items.GENRE+IN+("Drama")'
        ),
        lambda _shop: "/console/try/filter?text=EXCLUDE+ItemID+WHERE+Items.GENRE+IM+%28%22Drama%22%29",
    ),
    "/console/models/compare": (
        lambda shop: f"/console/models/compare?one={shop.arns['newer']}&other={shop.arns['version']}",
    ),
    "/console/access": (lambda _shop: "/console/access",),
    "/console/access/key": (
        lambda shop: f"/console/access/key?id={shop.arns['key']}&action=personalize:DeleteCampaign",
    ),
    "/console/access/roles": (lambda _shop: "/console/access/roles",),
    "/console/access/role": (lambda _shop: "/console/access/role?name=shop-reader",),
    "/console/access/audit": (lambda _shop: "/console/access/audit?action=Create&head=",),
    "/console/data": (lambda _shop: "/console/data",),
    "/console/data/dataset": (
        lambda shop: f"/console/data/dataset?arn={shop.arns['interactions']}",
        lambda shop: f"/console/data/dataset?arn={shop.arns['items']}",
    ),
    "/console/data/add": (lambda _shop: "/console/data/add?location=s3://training/",),
    "/console/data/file": (
        lambda _shop: "/console/data/file?location=s3://training/items.csv",
        lambda shop: (
            f"/console/data/file?location=s3://training/broken.csv&dataset={shop.arns['interactions']}"
        ),
    ),
    "/console/events": (lambda _shop: "/console/events",),
    "/console/outcomes": (
        lambda _shop: "/console/outcomes",
        lambda shop: f"/console/outcomes?arn={shop.arns['attribution']}&by=version&range=month",
    ),
    "/console/outcomes/new": (lambda _shop: "/console/outcomes/new",),
}
#: Every address with its place, for the names of tests.
EVERY = [(path, at, make) for path, makes in ADDRESSES.items() for at, make in enumerate(makes)]
