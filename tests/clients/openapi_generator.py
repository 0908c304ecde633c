"""The API by a client that openapi-generator made for Python: ADDRESS IMAGE RESULT."""

import sys
import time
from pathlib import Path

from mill import ApiClient, Configuration, FleetApi, ImagesApi, JobsApi
from mill.exceptions import ApiException
from mill.models import ChoiceParam, IntegerParam, JobView, NumberParam, Status

ENDED = (Status.COMPLETE, Status.FAILED, Status.CANCELLED)


def ended(jobs: JobsApi, job: JobView) -> JobView:
    while job.status not in ENDED:
        time.sleep(0.05)
        job = jobs.get_job(job.id)
    return job


def problem(call, *arguments, **named):
    try:
        return call(*arguments, **named)
    except ApiException as error:
        return error.data


def main(address: str, image: Path, result: Path) -> None:
    client = ApiClient(Configuration(host=address))
    jobs, images = JobsApi(client), ImagesApi(client)
    upload = (image.name, image.read_bytes())
    job = jobs.create_job(image=upload, filters="blur:2.5,invert", tile_size=16, format="png", quality=80)
    job = ended(jobs, job)
    assert (job.status, job.name, job.error) == (Status.COMPLETE, image.name, None), job
    result.write_bytes(images.get_result(job.id))
    assert images.get_original(job.id) == image.read_bytes()

    again = ended(jobs, jobs.create_job(var_from=job.id, filters=""))
    assert again.status == Status.COMPLETE, again
    assert jobs.delete_job_with_http_info(again.id).status_code == 204

    gone = problem(jobs.get_job, again.id)
    assert (gone.status, gone.code) == (404, "not_found"), gone
    refused = problem(jobs.create_job, var_from=job.id, filters="nonsense")
    assert refused.code == "invalid_filters", refused

    filters = {filter_.name: filter_ for filter_ in FleetApi(client).list_filters()}
    for name, kind in (("blur", NumberParam), ("median", IntegerParam), ("grayscale", ChoiceParam)):
        assert isinstance(filters[name].params[0].actual_instance, kind), filters[name]


main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
