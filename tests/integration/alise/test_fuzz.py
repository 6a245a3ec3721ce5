"""Whatever is sent to the JSON routes is answered as the OpenAPI document and the contract say, and never with 500."""

from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.alise.world import World

EXAMPLES = 12  # for each route


def test_nothing_that_is_sent_breaks_it(world: World) -> None:
    schema = schemathesis.openapi.from_url(f"{world.url}/openapi.json", verify=str(world.ca))
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 8
    for operation in operations:
        _send_anything(world, operation.as_strategy())


def _send_anything(world: World, cases: st.SearchStrategy[schemathesis.Case]) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases)
    def send(case: schemathesis.Case) -> None:
        response = case.call(verify=str(world.ca))
        assert response.status_code < 500, response.text
        assert response.json() is not None

    send()


def test_the_log_holds_no_failure_of_all_this(world: World) -> None:
    text = Path(world.log_file).read_text()
    assert "request_failed" not in text
    assert "Traceback" not in text
