"""The ids of answers have the service's form and say who gave them."""

import re

from sartor.realtime.answer_ids import ENDING_CHARACTERS, ending_of, new_recommendation_id

CAMPAIGNS = [f"arn:aws:personalize:us-east-1:000000000000:campaign/c{number}" for number in range(1000)]


def test_an_id_is_a_random_uuid_that_fits_an_event_and_ends_with_who_gave_the_answer() -> None:
    ids = [new_recommendation_id(arn) for arn in CAMPAIGNS for _ in range(3)]
    assert len(set(ids)) == len(ids)
    for arn, one in zip(CAMPAIGNS, ids[::3], strict=True):
        assert re.fullmatch(r"RID-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one)
        assert len(one) <= 40, "events take no more"
        assert one[-ENDING_CHARACTERS:] == ending_of(arn)
    assert len({ending_of(arn) for arn in CAMPAIGNS}) == len(CAMPAIGNS)
