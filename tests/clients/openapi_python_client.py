"""The API by a client that openapi-python-client made: ADDRESS IMAGE RESULT."""

import sys
import time
from http import HTTPStatus
from pathlib import Path

from mill import Client
from mill.api.fleet import list_filters
from mill.api.images import get_original, get_result
from mill.api.jobs import create_job, delete_job, get_job
from mill.models import ChoiceParam, IntegerParam, JobView, NewJob, NewJobFormat, NumberParam, Problem, Status
from mill.types import File

ENDED = (Status.COMPLETE, Status.FAILED, Status.CANCELLED)


def ended(client: Client, job: JobView) -> JobView:
    while job.status not in ENDED:
        time.sleep(0.05)
        job = get_job.sync(client=client, id=job.id)
    return job


def main(address: str, image: Path, result: Path) -> None:
    client = Client(base_url=address)
    with image.open("rb") as file:
        upload = File(payload=file, file_name=image.name)
        form = NewJob(image=upload, filters="blur:2.5,invert", tile_size=16, format_=NewJobFormat.PNG, quality=80)
        job = ended(client, create_job.sync(client=client, body=form))
    assert (job.status, job.name, job.error) == (Status.COMPLETE, image.name, None), job
    result.write_bytes(get_result.sync(client=client, id=job.id).payload.read())
    assert get_original.sync(client=client, id=job.id).payload.read() == image.read_bytes()

    again = ended(client, create_job.sync(client=client, body=NewJob(from_=job.id, filters="")))
    assert again.status == Status.COMPLETE, again
    assert delete_job.sync_detailed(client=client, id=again.id).status_code == HTTPStatus.NO_CONTENT

    gone = get_job.sync(client=client, id=again.id)
    assert isinstance(gone, Problem) and (gone.status, gone.code) == (404, "not_found"), gone
    refused = create_job.sync(client=client, body=NewJob(from_=job.id, filters="nonsense"))
    assert isinstance(refused, Problem) and refused.code == "invalid_filters", refused

    filters = {filter_.name: filter_ for filter_ in list_filters.sync(client=client)}
    for name, kind in (("blur", NumberParam), ("median", IntegerParam), ("grayscale", ChoiceParam)):
        assert isinstance(filters[name].params[0], kind), filters[name]


main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
